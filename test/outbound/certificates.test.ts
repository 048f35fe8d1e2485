import { rootCertificates } from 'node:tls'
import t from 'tap'
import { createCertificateAuthority } from '../../demo/certificate-authority.ts'
import {
  expiryUrgency,
  loadAuthorities,
  validityFault,
  validityOf,
} from '../../src/outbound/certificates.ts'

const [own, second, extra] = await Promise.all(
  ['Own', 'Second', 'Extra'].map(async (name) => {
    const { certificate } = await createCertificateAuthority(name)
    return certificate.trim()
  }),
)
const files: Readonly<Record<string, string>> = {
  'own.pem': `${own}\n`,
  'two.pem': `Subject: CN=Own\n${own}\n\n# another\n${second}\n`,
  'crlf.pem': `${own}`.replaceAll('\n', '\r\n'),
  'extra.pem': `${extra}`,
  'empty.pem': '',
  'words.pem': 'no certificate',
  'key.pem': '-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n',
  'broken.pem': `${own}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
}

const load = (caFile: string | undefined, extraFile?: string) =>
  loadAuthorities({
    caFile,
    environment: { NODE_EXTRA_CA_CERTS: extraFile },
    readFile(path) {
      const text = files[path]
      if (text === undefined) throw new Error('no such file')
      return text
    },
  })

t.test("without SKP_CA_FILE Node's own set stays in force", async (t) => {
  t.strictSame(load(undefined, 'extra.pem'), { certificates: undefined, problems: [] })
})

t.test("certificates are added to Node's own set, which they would replace", async (t) => {
  t.strictSame(load('own.pem'), { certificates: [...rootCertificates, own], problems: [] })
})

t.test('a file may hold several certificates, and text between them', async (t) => {
  t.strictSame(load('two.pem').certificates, [...rootCertificates, own, second])
})

t.test('lines may end as on Windows', async (t) => {
  t.strictSame(load('crlf.pem').certificates?.slice(-1), [own?.replaceAll('\n', '\r\n')])
})

t.test('what NODE_EXTRA_CA_CERTS added stays trusted', async (t) => {
  t.strictSame(load('own.pem', 'extra.pem').certificates, [...rootCertificates, extra, own])
})

t.test('an unreadable NODE_EXTRA_CA_CERTS is left to the warning of Node', async (t) => {
  t.strictSame(load('own.pem', 'gone.pem'), load('own.pem'))
})

for (const file of ['gone.pem', 'empty.pem', 'words.pem', 'key.pem', 'broken.pem']) {
  t.test(`${file} is a problem of SKP_CA_FILE, and nothing of it is trusted`, async (t) => {
    const problem = `SKP_CA_FILE: must be the path of a readable file of PEM certificates, got "${file}"`
    t.strictSame(load(file), { certificates: undefined, problems: [problem] })
  })
}

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
