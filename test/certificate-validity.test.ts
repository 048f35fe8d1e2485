import t from 'tap'
import { createCertificateAuthority } from '../demo/certificate-authority.ts'
import { expiryUrgency, validityFault, validityOf } from '../src/certificate-validity.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const NOW = Date.UTC(2026, 10, 23)

t.test('is read off the certificate itself, the first of a chain', async (t) => {
  const authority = await createCertificateAuthority()
  const notBefore = new Date(NOW)
  const notAfter = new Date(NOW + 7 * DAY_MS)
  const { certificate } = await authority.issueClient('client', { notBefore, notAfter })
  t.same(validityOf(`${certificate}\n${authority.certificate}`), {
    notBefore: NOW,
    notAfter: NOW + 7 * DAY_MS,
  })
})

t.test('says why a certificate cannot be used', async (t) => {
  const validity = { notBefore: NOW, notAfter: NOW + DAY_MS }
  t.equal(validityFault(validity, NOW), undefined)
  t.equal(validityFault(validity, NOW + DAY_MS), undefined)
  t.match(validityFault(validity, NOW - 1), /not valid before 2026-11-23T00:00:00\.000Z$/)
  t.match(validityFault(validity, NOW + DAY_MS + 1), /expired on 2026-11-24T00:00:00\.000Z$/)
})

t.test('the end becomes urgent by what is left, in hours and relative to the life', async (t) => {
  const cases: readonly [life: number, left: number, urgency: string][] = [
    [7 * DAY_MS, 4 * DAY_MS, 'none'],
    [7 * DAY_MS, 72 * HOUR_MS, 'none'],
    [7 * DAY_MS, 72 * HOUR_MS - 1, 'warn'],
    [30 * DAY_MS, 6 * DAY_MS, 'none'],
    [30 * DAY_MS, 6 * DAY_MS - 1, 'warn'],
    [30 * DAY_MS, DAY_MS, 'warn'],
    [30 * DAY_MS, DAY_MS - 1, 'error'],
    [DAY_MS, -1, 'error'],
  ]
  for (const [life, left, urgency] of cases) {
    const validity = { notBefore: NOW, notAfter: NOW + life }
    t.equal(expiryUrgency(validity, NOW + life - left), urgency, `${left} of ${life}`)
  }
})
