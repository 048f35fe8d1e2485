/** The console page and its stream of events, over real sockets. */
import t, { type Test } from 'tap'
import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import { freePort } from '../fixtures/free-port.ts'
import { call } from '../fixtures/http-client.ts'
import { CLIENT_SECRET, readingOf, startProxy, startTokenServer, TOKEN } from '../fixtures/proxy.ts'
import { startServer } from '../fixtures/recording-server.ts'

const open = async (t: Test, settings: Readonly<Record<string, string>> = {}) => {
  const tokenServer = await startTokenServer(t)
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const adminPort = await freePort()
  const reading = readingOf(`${tokenServer.url}/oauth/token`, { '': `${api.url}/base/v1` })
  const { port, app } = await startProxy(t, {
    sources: [{ name: 'intas', read: () => reading }],
    settings: { SKP_ADMIN_PORT: String(adminPort), ...settings },
  })
  const ask = (path: string, headers: Readonly<Record<string, string>> = {}) =>
    call(adminPort, { path, headers })
  return { port, adminPort, app, ask }
}

/** Reads the stream until it has said what is looked for. */
const listen = async (port: number) => {
  const request = http.get({ port, host: '127.0.0.1', path: '/console/events', agent: false })
  request.on('error', () => {})
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let text = ''
  response.setEncoding('utf8')
  response.on('error', () => {})
  response.on('data', (piece: string) => (text += piece))
  const until = async (pattern: RegExp): Promise<string> => {
    while (!pattern.test(text)) await once(response, 'data')
    return text
  }
  return { response, until, leave: () => request.destroy() }
}

const FILES = {
  '/': 'text/html; charset=utf-8',
  '/console/main.js': 'text/javascript; charset=utf-8',
  '/console/uplot.js': 'text/javascript; charset=utf-8',
  '/console/console.css': 'text/css; charset=utf-8',
  '/console/panels.css': 'text/css; charset=utf-8',
  '/console/icon.svg': 'image/svg+xml',
  '/console/errors.json': 'application/json; charset=utf-8',
}

t.test('every file comes with its type and a policy that lets in nothing foreign', async (t) => {
  const { ask } = await open(t)
  for (const [path, type] of Object.entries(FILES)) {
    const { status, headers } = await ask(path)
    t.match(
      { status, ...headers },
      {
        status: 200,
        'content-type': type,
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      },
    )
    const policy = String(headers['content-security-policy'])
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
    ]) {
      t.ok(policy.split('; ').includes(rule), rule)
    }
    t.notMatch(policy, /unsafe|\*|https?:/)
  }
  t.equal((await ask('/?a=b')).status, 200)
})

t.test('the page names no other host and has no script or style of its own', async (t) => {
  const { ask } = await open(t)
  const html = (await ask('/')).body.toString()
  t.notMatch(html, /<script(?![^>]* src="\/console\/)|<style|\sstyle=|\son\w+=/)
  t.notMatch(html, /https?:/)
})

t.test('what is no file of the page is not found', async (t) => {
  const { ask } = await open(t)
  for (const path of [
    '/console/',
    '/console/nothing.js',
    '/console/../package.json',
    '/console/%2e%2e/console.ts',
    '/console/__proto__',
    '/console/constructor',
    '/nothing',
  ]) {
    t.equal((await ask(path)).status, 404, path)
  }
})

t.test('the text of each error code is that of its document', async (t) => {
  const { ask } = await open(t)
  const sections = JSON.parse((await ask('/console/errors.json')).body.toString()) as Record<
    string,
    string
  >[]
  t.match(sections[0], {
    code: 'token_unavailable',
    summary: /^503, origin/,
    cause: /^The token server cannot be reached/,
    operator: /^The log has the reason/,
    caller: /^Try again after/,
  })
  for (const { code, ...texts } of sections) {
    t.ok(
      Object.values(texts).every((text) => text !== '' && !/\*\*|\]\(/.test(text)),
      `${code}`,
    )
  }
})

t.test('pages of other origins reach neither the page nor the stream', async (t) => {
  const { ask } = await open(t)
  const attacks = [
    { host: 'rebound.example' },
    { origin: 'https://evil.example' },
    { 'sec-fetch-site': 'cross-site' },
  ]
  for (const path of ['/', '/console/main.js', '/console/events']) {
    for (const headers of attacks) t.equal((await ask(path, headers)).status, 403, path)
  }
})

t.test('the stream tells of each request, and of no secret', async (t) => {
  const { port, adminPort } = await open(t, {
    SKP_CALLER_TOKEN: 'canary-caller-token',
    SKP_TOKEN_PARAMS: 'assertion=canary-params',
    SKP_ALLOW: 'GET /**',
  })
  const { response, until, leave } = await listen(adminPort)
  t.equal(response.headers['content-type'], 'text/event-stream')
  t.equal(response.headers['cache-control'], 'no-store')
  const headers = { 'x-caller-token': 'canary-caller-token', 'x-correlation-id': 'id-1' }
  await call(port, { path: '/Vendor?$filter=canary-query', headers })
  await call(port, { path: '/Vendor', method: 'DELETE', headers })
  const text = await until(/"path":"\/Vendor".*"code":"not_allowed"/)
  leave()
  for (const secret of [TOKEN, CLIENT_SECRET, 'canary', 'Bearer']) {
    t.notOk(text.includes(secret), secret)
  }
  const told = JSON.parse(text.trim().split('data: ').at(-1) ?? '') as unknown
  t.match(told, {
    phase: 'running',
    readiness: { ready: true },
    keys: [
      {
        name: 'intas',
        origin: 'a test',
        watched: false,
        tokenHost: /^127\.0\.0\.1:\d+$/,
        routes: [{ prefix: '/', baseUrl: /\/base\/v1$/ }],
        token: { freshness: 'fresh', outcome: 'granted', reason: null },
        timeline: { token: { lifetime: 43_199_000 } },
      },
    ],
    problems: [{ code: 'not_allowed', count: 1 }],
    requests: [
      { method: 'GET', path: '/Vendor', status: 200, token: 'cached', correlationId: 'id-1' },
      { method: 'DELETE', status: 405 },
    ],
  })
})

t.test('the eleventh listener is turned away, and let in when there is room', async (t) => {
  const { adminPort, ask } = await open(t)
  const listeners = await Promise.all(Array.from({ length: 10 }, () => listen(adminPort)))
  await Promise.all(listeners.map(({ until }) => until(/event: update/)))
  const refused = await ask('/console/events')
  t.match(refused, { status: 503, headers: { 'retry-after': '10' } })
  for (const { leave } of listeners) leave()
})

t.test('a listener does not hold up the end of the program', async (t) => {
  const { adminPort, app } = await open(t)
  const { response, until } = await listen(adminPort)
  await until(/event: update/)
  const ended = once(response, 'end')
  await app.stop()
  await t.resolves(ended)
})

t.test('a head of the stream is not asked for in vain', async (t) => {
  const { adminPort } = await open(t)
  t.equal((await call(adminPort, { path: '/console/events', method: 'HEAD' })).status, 404)
})
