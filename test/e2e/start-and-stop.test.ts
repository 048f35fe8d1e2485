/** Start, readiness and stop of the built program under fault, judged as a process. */
import t, { type Test } from 'tap'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { call } from '../fixtures/http-client.ts'
import { startProgram } from '../fixtures/program.ts'
import { startServer, startStreamingServer } from '../fixtures/recording-server.ts'

const bind = (entities: string, url: string) => ({
  PORT: '0',
  SKP_DRAIN_DELAY: '0ms',
  VCAP_SERVICES: JSON.stringify({
    'integration-assessment': [
      {
        name: 'intas',
        credentials: { entities, url, clientid: 'sb-client!b1', clientsecret: 'canary-secret' },
      },
    ],
  }),
})

const start = async (t: Test, environment: Readonly<Record<string, string>>) => {
  const program = startProgram(t, [], environment)
  const { address } = await program.logged('listening')
  return { ...program, port: Number(new URL(String(address)).port) }
}

const readiness = async (port: number) => {
  const { status, body } = await call(port, { path: '/-/ready' })
  const { reasons } = JSON.parse(body.toString()) as { reasons?: string[] }
  return { status, reasons }
}

const becomesReady = async (port: number): Promise<void> => {
  while ((await readiness(port)).status !== 200) await new Promise(setImmediate)
}

t.test('a token server that is down at the start does not end the process', async (t) => {
  const tokens = http.createServer((_request, response) => response.end('{"access_token":"abc"}'))
  await new Promise<void>((resolve) => {
    tokens.listen(0, '127.0.0.1', resolve)
  })
  const { port: tokenPort } = tokens.address() as AddressInfo
  tokens.close()
  t.teardown(() => tokens.close())
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const { port, logged } = await start(t, bind(api.url, `http://127.0.0.1:${tokenPort}`))
  await logged('no token from the token server')
  t.match(await readiness(port), {
    status: 503,
    reasons: ['no usable token: the token server could not be asked (ECONNREFUSED)'],
  })
  t.match(await call(port), { status: 503, headers: { 'x-error-code': 'token_unavailable' } })
  t.equal((await call(port, { path: '/-/live' })).status, 200)
  await new Promise<void>((resolve) => {
    tokens.listen(tokenPort, '127.0.0.1', resolve)
  })
  await becomesReady(port)
  await logged('the token server gives tokens again')
  t.equal((await call(port)).status, 200)
})

t.test('a rejected credential leaves the process up, not ready, and loud', async (t) => {
  const tokens = await startServer(t, (_request, response) => {
    response.writeHead(401).end('{"error":"invalid_client"}')
  })
  const { port, logged, child, ended } = await start(t, bind('http://127.0.0.1:1', tokens.url))
  t.match(await logged('the token server rejects the credential'), {
    level: 'error',
    reason: 'answered 401 invalid_client',
  })
  t.match(await readiness(port), { status: 503 })
  t.match(await call(port), { status: 502, headers: { 'x-error-code': 'credential_rejected' } })
  t.equal(tokens.requests.length, 1, 'callers do not cause further requests')
  t.equal(child.exitCode, null)
  child.kill('SIGTERM')
  t.equal(await ended, 0)
})

t.test('stays ready through a token outage and an API outage while the token lasts', async (t) => {
  const tokens = await startServer(t, (_request, response) => {
    response.end('{"access_token":"abc","expires_in":3600}')
  })
  const { port } = await start(t, bind('http://127.0.0.1:1', tokens.url))
  await becomesReady(port)
  await tokens.close()
  t.match(await call(port), { status: 502, headers: { 'x-error-code': 'upstream_connect' } })
  t.match(await readiness(port), { status: 200 })
})

t.test('what outlasts SKP_DRAIN_TIMEOUT is cut off, and the exit is still clean', async (t) => {
  const tokens = await startServer(t, (_request, response) => {
    response.end('{"access_token":"abc"}')
  })
  let arrived = false
  const api = await startStreamingServer(t, () => {
    arrived = true
  })
  const { port, child, ended, logged } = await start(t, {
    ...bind(api.url, tokens.url),
    SKP_DRAIN_TIMEOUT: '200ms',
  })
  const hanging = t.rejects(call(port), { code: 'ECONNRESET' })
  while (!arrived) await new Promise(setImmediate)
  child.kill('SIGINT')
  await logged('requests still in flight at SKP_DRAIN_TIMEOUT were cut off')
  await hanging
  t.equal(await ended, 0)
})
