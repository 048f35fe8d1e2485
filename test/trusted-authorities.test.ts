import { rootCertificates } from 'node:tls'
import t from 'tap'
import { createCertificateAuthority } from '../demo/certificate-authority.ts'
import { loadAuthorities } from '../src/trusted-authorities.ts'

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
