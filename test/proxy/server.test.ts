import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import { createDataServer } from '../../src/proxy/server.ts'
import { passTrace } from '../../src/tracing/trace-context.ts'
import { call, exchange } from '../fixtures/http-client.ts'

const start = async (t: Test, addRoutes: (app: FastifyInstance) => void) => {
  const done: string[] = []
  const defects: string[] = []
  const { app } = createDataServer({
    maxHeaderSize: 8192,
    now: () => 0,
    openTrace: () => passTrace(undefined),
    onOpen: () => {},
    onDone: (request, response) => done.push(`${request.url} ${response.statusCode}`),
    onDefect: (error) => defects.push((error as Error).message),
  })
  addRoutes(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  const { port } = app.server.address() as AddressInfo
  return { port, done, defects }
}

const failWith = (statusCode?: number) => (app: FastifyInstance) => {
  app.get('/x', () => {
    throw Object.assign(new Error('at 10.0.0.1: canary'), { statusCode })
  })
}

t.test('a defect is no bare 500: it has a code, an id, and its reason in the log', async (t) => {
  const { port, defects, done } = await start(t, failWith())
  const answer = await call(port, { path: '/x' })
  t.match(answer, { status: 502, headers: { 'x-error-code': 'internal', 'x-request-id': String } })
  t.notMatch(answer.body.toString(), /canary|10\.0\.0\.1/)
  t.same(defects, ['at 10.0.0.1: canary'])
  t.same(done, ['/x 502'])
})

t.test('a request that a library refuses is answered in the error form of OData', async (t) => {
  const { port, defects } = await start(t, failWith(400))
  const answer = await call(port, { path: '/x' })
  t.match(answer, { status: 400, headers: { 'x-error-code': 'bad_request' } })
  t.match(JSON.parse(answer.body.toString()), { error: { code: 'bad_request' } })
  t.same(defects, [])
})

t.test('an error with a status above 499 is a defect as well', async (t) => {
  const { port, defects } = await start(t, failWith(500))
  t.equal((await call(port, { path: '/x' })).headers['x-error-code'], 'internal')
  t.equal(defects.length, 1)
})

t.test('V4 clients get the V4 form', async (t) => {
  const { port } = await start(t, failWith(400))
  const answer = await call(port, { path: '/x', headers: { 'odata-maxversion': '4.0' } })
  t.match(JSON.parse(answer.body.toString()), { error: { message: /malformed/ } })
})

t.test('a path that cannot be decoded is recorded like any other', async (t) => {
  const { port, done } = await start(t, () => {})
  t.match(await call(port, { path: '/%zz' }), { status: 400 })
  t.same(done, ['/%zz 400'])
})

t.test('what is not served is not found, with any method but those never forwarded', async (t) => {
  const { port } = await start(t, () => {})
  t.match(await call(port, { method: 'MERGE', path: '/y' }), { status: 404 })
  t.match(await call(port, { method: 'TRACE', path: '/y' }), { status: 405 })
})

t.test('header fields above the limit are refused', async (t) => {
  const { port } = await start(t, () => {})
  const field = `x-large: ${'x'.repeat(9000)}\r\n`
  t.match(await exchange(port, `GET / HTTP/1.1\r\nhost: x\r\n${field}\r\n`), /^HTTP\/1\.1 431 /)
})
