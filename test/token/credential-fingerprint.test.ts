import t from 'tap'
import { credentialFingerprint } from '../../src/token/credential-fingerprint.ts'

const PARTS = ['https://acme.example/oauth/token', 'client', 'secret', 'scope']
const fingerprint = credentialFingerprint(PARTS)

t.test('the same parts have the same fingerprint', async (t) => {
  t.equal(credentialFingerprint([...PARTS]), fingerprint)
})

for (const [index, part] of PARTS.entries()) {
  t.test(`another fingerprint when "${part}" changes`, async (t) => {
    t.not(credentialFingerprint(PARTS.with(index, `${part}2`)), fingerprint)
  })
}

const MEETING: readonly [readonly string[], readonly string[]][] = [
  [
    ['ab', 'c'],
    ['a', 'bc'],
  ],
  [
    ['a', ''],
    ['', 'a'],
  ],
  [['a'], ['a', '']],
  [['1:a'], ['a']],
  [['a1:b'], ['a', 'b']],
  [
    ['a', 'b'],
    ['b', 'a'],
  ],
]

for (const [one, other] of MEETING) {
  t.test(`${JSON.stringify(one)} and ${JSON.stringify(other)} do not meet`, async (t) => {
    t.not(credentialFingerprint(one), credentialFingerprint(other))
  })
}

t.test('lengths are counted in bytes, over any text', async (t) => {
  t.equal(
    credentialFingerprint(['\u00e4']),
    // printf '2:ä' | sha256sum
    '7a6db0ce95b55a8767f115010bcfbf24f8f61ab2bcab8358a763f0b2018b12f5',
  )
})

t.test('no part can be read out of it', async (t) => {
  t.match(fingerprint, /^[\da-f]{64}$/)
})
