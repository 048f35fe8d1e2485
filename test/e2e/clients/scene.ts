/** The built program with a key file, in front of an API with real token checks, all over TLS. */
import type { Test } from 'tap'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import {
  createCertificateAuthority,
  type CertificateAuthority,
} from '../../../demo/certificate-authority.ts'
import { startEntitiesApi, type EntitiesApi } from '../../../demo/entities-api.ts'
import { startTokenServer } from '../../../demo/token-server.ts'
import type { TokenVerificationOptions } from '../../../demo/token-verification.ts'
import { startProgram } from '../../fixtures/program.ts'
import type { Entity } from './tasks.ts'

const CLIENT_ID = 'sb-0d3c9a51!b12345|intas-demo!b678'
const SECRET = 'f1e2+$Qz/=a b&c'

export interface Scene {
  /** The proxy's address. */
  readonly url: string
  readonly api: EntitiesApi
  /** Reads from the API itself, past the proxy; `undefined` where it answers 404. */
  readonly direct: <T = Entity>(path: string) => Promise<T | undefined>
}

export type StartApi = (
  t: Test,
  options: TokenVerificationOptions & {
    readonly tls: Awaited<ReturnType<CertificateAuthority['issueServer']>>
  },
) => Promise<EntitiesApi>

const startDemo: StartApi = (_t, options) => startEntitiesApi(options)

export const startScene = async (t: Test, startApi: StartApi = startDemo): Promise<Scene> => {
  const authority = await createCertificateAuthority()
  const tls = await authority.issueServer()
  const tokenServer = await startTokenServer({ tls, clients: { [CLIENT_ID]: SECRET } })
  const api = await startApi(t, {
    tls,
    tokenServerUrl: tokenServer.url,
    authority: authority.certificate,
  })
  const folder = t.testdir({})
  const [caFile, keyFile] = [join(folder, 'ca.pem'), join(folder, 'key.json')]
  writeFileSync(caFile, authority.certificate)
  const key = { clientid: CLIENT_ID, clientsecret: SECRET, url: tokenServer.url }
  writeFileSync(keyFile, JSON.stringify({ entities: api.entities, ...key }))

  const program = startProgram(t, ['--key-file', keyFile], {
    PORT: '0',
    SKP_CA_FILE: caFile,
    SKP_DRAIN_DELAY: '0ms',
  })
  const { address } = await program.logged('listening')
  const dispatcher = new Agent({ connect: { ca: authority.certificate } })
  t.teardown(async () => {
    program.child.kill('SIGTERM')
    await program.ended
    await Promise.all([tokenServer.close(), api.close(), dispatcher.destroy()])
  })

  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: CLIENT_ID,
    client_secret: SECRET,
  }).toString()
  const granted = await request(`${tokenServer.url}/oauth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form,
    dispatcher,
  })
  const { access_token: token } = (await granted.body.json()) as { access_token: string }
  return {
    url: `http://127.0.0.1:${new URL(String(address)).port}`,
    api,
    direct: async <T>(path: string) => {
      const headers = { authorization: `Bearer ${token}`, accept: 'application/json' }
      const { statusCode, body } = await request(`${api.entities}/${path}`, { headers, dispatcher })
      const text = await body.text()
      return statusCode === 404 ? undefined : (JSON.parse(text) as { d: T }).d
    },
  }
}
