/**
 * The Entities API a second time: CAP in a process of its own, with its adapter for OData V2. Before it
 * a router as on SAP BTP, which ends TLS, verifies tokens and says by which name it was called.
 */
import type { Test } from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { BASE_PATH } from '../../../demo/entities-service.ts'
import {
  startHttpsServer,
  type HttpsServer,
  type RecordedRequest,
} from '../../../demo/https-server.ts'
import { createTokenVerification } from '../../../demo/token-verification.ts'
import type { StartApi } from './scene.ts'

const PROJECT = fileURLToPath(new URL('cap-api', import.meta.url))

const startCap = async (t: Test): Promise<string> => {
  const child = spawn(process.execPath, ['../node_modules/@sap/cds/bin/serve.js', '--in-memory'], {
    cwd: PROJECT,
    env: { PORT: '0', NODE_ENV: 'test' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  let output = ''
  return new Promise((resolve, reject) => {
    const listen = (text: string) => {
      output += text
      const [, url] = /server listening on \{ url: '([^']+)' \}/.exec(output) ?? []
      if (url !== undefined && output.includes('launched in')) resolve(url)
    }
    child.stdout.setEncoding('utf8').on('data', listen)
    child.stderr.setEncoding('utf8').on('data', listen)
    void ended.then(() => reject(new Error(`CAP ended:\n${output}`)))
  })
}

export const startCapApi: StartApi = async (t, options) => {
  const cap = await startCap(t)
  const isAccepted = createTokenVerification(options)
  const requests: RecordedRequest[] = []

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url: path = '', headers } = request
    const body = await buffer(request)
    requests.push({ method, path, headers, body: body.toString() })
    if (!(await isAccepted(headers.authorization))) {
      response.writeHead(401).end()
      return
    }
    const { authorization: _token, ...others } = headers
    const forwarded = http.request(cap + path, {
      method,
      headers: { ...others, 'x-forwarded-proto': 'https', 'x-forwarded-host': headers.host },
    })
    forwarded.end(body)
    const [found] = (await once(forwarded, 'response')) as [IncomingMessage]
    response.writeHead(found.statusCode ?? 0, found.headers)
    await pipeline(found, response)
  }

  const server: HttpsServer = await startHttpsServer(options.tls, answer)
  return { ...server, entities: server.url + BASE_PATH, requests }
}
