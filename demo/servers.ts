/**
 * `node --import tsx demo/servers.ts FOLDER`: the demo's token server and API without the proxy, until
 * they are told to stop. FOLDER gets the authority's certificate and, once both listen, the key.
 */
import { randomBytes } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCertificateAuthority } from './certificate-authority.ts'
import { startEntitiesApi } from './entities-api.ts'
import { startTokenServer } from './token-server.ts'

const CLIENT_ID = 'sb-0d3c9a51!b12345|intas-demo!b678'

const folder = process.argv[2] ?? '.'
const authority = await createCertificateAuthority()
const tls = await authority.issueServer()
const clientsecret = randomBytes(24).toString('base64')
const tokenServer = await startTokenServer({ tls, clients: { [CLIENT_ID]: clientsecret } })
const { entities } = await startEntitiesApi({
  tls,
  tokenServerUrl: tokenServer.url,
  authority: authority.certificate,
  isRevoked: tokenServer.isRevoked,
})
const key = { entities, url: tokenServer.url, clientid: CLIENT_ID, clientsecret }
writeFileSync(join(folder, 'ca.pem'), authority.certificate)
// Whole as soon as it is there.
writeFileSync(join(folder, 'key.json.new'), JSON.stringify(key))
renameSync(join(folder, 'key.json.new'), join(folder, 'key.json'))
