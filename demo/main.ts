/**
 * `npm run demo`: a token server, the Entities API behind real token verification, and the built
 * proxy in front of them, all over verified TLS on this machine.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificateAuthority } from './certificate-authority.ts'
import { startEntitiesApi } from './entities-api.ts'
import { freePortFrom, startProxyProcess } from './proxy-process.ts'
import { startTokenServer } from './token-server.ts'

const CLIENT_ID = 'sb-0d3c9a51!b12345|intas-demo!b678'
const PREFERRED_PORT = 8080

const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

/** The environment of an app that is bound to the service, as Cloud Foundry would set it. */
const boundEnvironment = (entities: string, url: string, clientsecret: string, caFile: string) => ({
  VCAP_SERVICES: JSON.stringify({
    'integration-assessment': [
      {
        label: 'integration-assessment',
        plan: 'default',
        name: 'intas-demo',
        instance_name: 'intas-demo',
        binding_name: null,
        tags: [],
        credentials: { entities, clientid: CLIENT_ID, clientsecret, url },
      },
    ],
  }),
  SKP_CA_FILE: caFile,
  SKP_DRAIN_DELAY: '0ms',
  SKP_ADMIN_PORT: '0',
})

const instructions = (port: number): string => {
  const base = `http://127.0.0.1:${port}`
  return `
Ready. The proxy adds the token; try it from another terminal:

  list vendors
    curl '${base}/Vendor?$select=Name&$top=5&$format=json'

  expand an application
    curl '${base}/Application?$top=1&$expand=Vendor,ApplicationInstances&$format=json'

  create an application
    curl '${base}/Application' -H 'Content-Type: application/json' -d '{"Name":"My Application"}'

Ctrl-C stops everything.
`
}

const signalled = new Promise<void>((resolve) => {
  // npm passes a Ctrl-C on although the terminal has sent it already: more than one may come.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
})

const folder = mkdtempSync(join(tmpdir(), 'service-key-proxy-demo-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

say('Starting the demo:')
const authority = await createCertificateAuthority()
const tls = await authority.issueServer()
const caFile = join(folder, 'ca.pem')
writeFileSync(caFile, authority.certificate)

const secret = randomBytes(24).toString('base64')
const tokenServer = await startTokenServer({ tls, clients: { [CLIENT_ID]: secret } })
say(`  token server  ${tokenServer.url}/oauth/token`)

const api = await startEntitiesApi({
  tls,
  tokenServerUrl: tokenServer.url,
  authority: authority.certificate,
  isRevoked: tokenServer.isRevoked,
})
say(`  Entities API  ${api.entities}  (401 without a token)`)

const port = await freePortFrom(PREFERRED_PORT)
const busy = port === PREFERRED_PORT ? '' : `  (${PREFERRED_PORT} is in use)`
say(`  proxy         http://127.0.0.1:${port}${busy}`)

const environment = boundEnvironment(api.entities, tokenServer.url, secret, caFile)
const proxy = await startProxyProcess(port, environment)
say(instructions(port))

await Promise.race([signalled, proxy.ended])
say('Stopping.')
const code = await proxy.stop()
await Promise.all([tokenServer.close(), api.close()])
process.exitCode = code ?? 1
