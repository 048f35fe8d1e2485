/**
 * Guard rails on the wire: each attack against the running proxy, in front of an API that must not
 * see it.
 */
import t, { type Test } from 'tap'
import http from 'node:http'
import { call, exchange, type Call } from '../fixtures/http-client.ts'
import { changeset, json, line, multipart, MULTIPART, part, request } from '../fixtures/batches.ts'
import { startProxy, type StartedProxy } from '../fixtures/proxy.ts'
import { startServer, type RecordingServer } from '../fixtures/recording-server.ts'

const BASE = '/intas/entities/v1'
const TOKEN = 'a-token-of-a-caller'

interface Stage extends StartedProxy {
  readonly api: RecordingServer
}

const start = async (t: Test, settings: Record<string, string>): Promise<Stage> => {
  const api = await startServer(t, (_request, response) => response.end('{}'))
  return { ...(await startProxy(t, { api: api.url + BASE, settings })), api }
}

interface Refusal {
  readonly status?: number
  readonly denied?: string
  readonly allow?: string
  readonly text?: RegExp
}

/** The request gets the answer of the proxy, and the API does not get the request. */
const refused = async (t: Test, stage: Stage, attack: Call, expected: Refusal, title: string) => {
  const before = stage.api.requests.length
  const answer = await call(stage.port, attack)
  const { status = 403, denied, allow, text = /./ } = expected
  t.match(answer, { status, headers: { allow, 'x-error-origin': 'service-key-proxy' } }, title)
  t.match(answer.body.toString(), text, title)
  t.equal(stage.api.requests.length, before, title)
  const record = stage.log.findLast(({ type }) => type === 'request')
  t.equal(record?.['denied'], denied, title)
}

const allowed = async (t: Test, { port, api }: Stage, request: Call, title: string) => {
  const before = api.requests.length
  t.match(await call(port, request), { status: 200 }, title)
  t.equal(api.requests.length, before + 1, title)
  return api.requests.at(-1)
}

const batch = (body: string | Buffer, type: string = MULTIPART, headers = {}): Call => ({
  method: 'POST',
  path: '/$batch',
  headers: { 'content-type': type, ...headers },
  body,
})

const GET = request('GET', 'Vendor')
const READS = multipart([GET, GET])

t.test('read-only', async (t) => {
  const stage = await start(t, { SKP_ACCESS: 'read-only' })
  const reading = { status: 405, denied: 'method', allow: 'GET, HEAD, OPTIONS' }

  t.test('lets everything that reads pass', async (t) => {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      await allowed(t, stage, { method, path: "/Vendor('1')" }, method)
    }
    await allowed(t, stage, { path: `${BASE}?sap-language=en` }, 'the base itself')
  })

  t.test('refuses what writes, and says what is allowed', async (t) => {
    const text = /Allowed here by SKP_ACCESS=read-only: GET, HEAD, OPTIONS/
    for (const method of ['POST', 'PUT', 'PATCH', 'MERGE', 'DELETE']) {
      await refused(t, stage, { method, path: '/Vendor' }, { ...reading, text }, method)
    }
    for (const name of ['X-HTTP-Method', 'X-HTTP-Method-Override', 'x_http_method']) {
      const headers = { [name]: 'DELETE' }
      await refused(t, stage, { method: 'POST', headers }, reading, name)
      await refused(t, stage, { headers }, reading, `GET with ${name}`)
    }
    await refused(t, stage, { path: '/Vendor?_method=DELETE' }, reading, 'query')
    const twice = ['host', 'x', 'x-http-method', 'GET', 'x-http-method', 'DELETE']
    await refused(t, stage, { headers: twice }, { denied: 'method' }, 'two that disagree')
  })

  t.test('passes a batch of retrievals on byte for byte', async (t) => {
    for (const headers of [
      { 'content-length': READS.length },
      { 'transfer-encoding': 'chunked' },
    ]) {
      const seen = await allowed(
        t,
        stage,
        batch(READS, MULTIPART, headers),
        JSON.stringify(headers),
      )
      t.equal(seen?.body.toString(), READS)
      t.match(seen, { url: `${BASE}/$batch`, headers: { 'content-type': MULTIPART } })
    }
    const requests = json({ id: '1', method: 'get', url: 'Vendor' })
    const type = 'application/json; charset=utf-8'
    const seen = await allowed(t, stage, batch(requests, type), 'JSON')
    t.equal(seen?.body.toString(), requests)
    t.match(seen, { headers: { 'content-type': 'application/json' } })
    const host = `localhost:${stage.port}`
    const own = multipart([request('GET', `http://${host}/Vendor`)])
    const rewritten = await allowed(t, stage, batch(own, MULTIPART, { host }), 'links of the proxy')
    const link = `${stage.api.url}${BASE}/Vendor`
    t.equal(rewritten?.body.toString(), multipart([request('GET', link)]), 'judged as it is sent')
    const elsewhere = multipart([request('GET', `http://${host}x/Vendor`)])
    const attack = batch(elsewhere, MULTIPART, { host })
    await refused(t, stage, attack, { denied: 'batch' }, 'what only begins like the proxy')
    const prefixed = { ...batch(READS), path: `${BASE}/$batch` }
    await allowed(t, stage, prefixed, 'by the base path')
  })

  t.test('refuses a batch with a write, however it is wrapped', async (t) => {
    const write = request('DELETE', "Vendor('1')")
    const hidden = `--batch_1\n\n${write}\n--batch_1--`
    const attacks: Record<string, Call> = {
      'a part': batch(multipart([GET, write])),
      'a changeset': batch(multipart([GET, changeset([write])])),
      'a tunnelled method': batch(multipart([request('GET', 'A', 'X-HTTP-Method: DELETE\r\n')])),
      'the body of a GET': batch(multipart([part(`${line('GET', 'A')}${hidden}`)])),
      'a preamble': batch(`${hidden}\r\n${READS}`),
      'an epilogue': batch(`${READS}${hidden}`),
      'line feeds': batch(multipart([GET, write]).replaceAll('\r\n', '\n')),
      'a target elsewhere': batch(multipart([request('GET', '../management/v1/Users')])),
      'an encoding': batch(READS, MULTIPART, { 'content-encoding': 'gzip' }),
      'no type': batch(READS, ''),
      'another type': batch(READS, 'text/plain'),
      'another charset': batch(READS, `${MULTIPART}; charset=utf-16`),
      nothing: { method: 'POST', path: '/$batch' },
      JSON: batch(json({ method: 'delete', url: 'A' }), 'application/json'),
      'JSON with a method twice': batch(
        '{"requests":[{"method":"DELETE","method":"GET","url":"A"}]}',
        'application/json',
      ),
    }
    for (const [title, attack] of Object.entries(attacks)) {
      await refused(t, stage, attack, { denied: 'batch', text: /By SKP_ACCESS=read-only, / }, title)
    }
    const types = ['host', 'x', 'content-type', MULTIPART, 'content-type', `${MULTIPART}0`]
    await refused(t, stage, { ...batch(READS), headers: types }, { denied: 'batch' }, 'two types')
  })

  t.test('refuses what might be a batch', async (t) => {
    const paths = [
      '/%24batch',
      '/$batch/',
      '/$batch;x',
      '/Vendor/$batch',
      '/$BATCH',
      '/$batch?_ctype=x',
    ]
    for (const path of paths) {
      await refused(t, stage, { ...batch(READS), path }, { denied: 'batch' }, path)
    }
    const posting = { status: 405, denied: 'method', allow: 'POST' }
    await refused(t, stage, { path: '/$batch' }, posting, 'GET $batch')
    const tunnelled = batch(READS, MULTIPART, { 'x-http-method': 'GET' })
    await refused(t, stage, tunnelled, posting, 'tunnelled')
  })

  t.test('refuses a batch of more than 1 MB', async (t) => {
    const limit = 1024 * 1024
    // Of even length, so that line breaks can fill it up.
    const body = Buffer.alloc(limit, '\r\n')
    body.write(multipart([GET, request('GET', 'Vendor1')]))
    const seen = await allowed(t, stage, batch(body), 'exactly 1 MB')
    t.ok(seen?.body.equals(body))
    const big = Buffer.alloc(limit + 1)
    const text = /By SKP_ACCESS=read-only, a \$batch has at most 1024 KB/
    for (const framing of [{ 'content-length': limit + 1 }, { 'transfer-encoding': 'chunked' }]) {
      await refused(
        t,
        stage,
        batch(big, MULTIPART, framing),
        { status: 413, text },
        JSON.stringify(framing),
      )
    }
  })
})

t.test('SKP_ALLOW', async (t) => {
  const stage = await start(t, { SKP_ALLOW: 'GET|HEAD /Vendor*,POST /Request' })

  t.test('lets pass what it names', async (t) => {
    await allowed(t, stage, { path: "/Vendor('1')?$expand=Items" }, 'a path')
    await allowed(t, stage, { path: `${BASE}/Vendor` }, 'by the base path')
    await allowed(t, stage, { method: 'POST', path: '/Request', body: '{}' }, 'a write')
    const parts = multipart([GET, changeset([request('POST', 'Request')])])
    await allowed(t, stage, batch(parts), 'a batch')
  })

  t.test('refuses everything else', async (t) => {
    const elsewhere = [
      '/',
      '/Secret',
      "/Vendor('1')/Items",
      "/Vendor('1')%2FItems",
      '/Secret;/Vendor',
    ]
    for (const path of elsewhere) await refused(t, stage, { path }, { denied: 'path' }, path)
    await refused(
      t,
      stage,
      { method: 'DELETE', path: "/Vendor('1')" },
      { status: 405, denied: 'method', allow: 'GET, HEAD' },
      'a method',
    )
    for (const target of [
      'Secret',
      "Vendor('1')/Items",
      '$1',
      '/Secret',
      'https://other.example/Vendor',
    ]) {
      const attack = batch(multipart([GET, request('GET', target)]))
      await refused(t, stage, attack, { denied: 'batch', text: /request 2 of the \$batch/ }, target)
    }
  })
})

t.test('without rules, a batch is streamed and not looked at', async (t) => {
  const stage = await start(t, {})
  const body = Buffer.alloc(2 * 1024 * 1024, 'DELETE ')
  const seen = await allowed(t, stage, batch(body), 'any body')
  t.ok(seen?.body.equals(body))
  await allowed(t, stage, { headers: { 'x-http-method': 'DELETE' } }, 'a tunnelled method')
})

t.test('a guarded batch of more than 64 KB is not sent twice', async (t) => {
  const api = await startServer(t, (_request, response) => response.writeHead(401).end())
  const settings = { SKP_ACCESS: 'read-only', SKP_REPLAY_WRITES: 'on' }
  const { port } = await startProxy(t, { api: api.url, settings })
  const answer = await call(port, batch(`${READS}${'\r\n'.repeat(33 * 1024)}`))
  t.match(answer.headers, { 'x-error-code': 'token_refreshed_retry' })
  t.equal(api.requests.length, 1)
})

/** Sends all but the last byte, so that the request stays in flight. */
const unfinished = (port: number, body: Buffer): Promise<http.ClientRequest> =>
  new Promise((resolve) => {
    const headers = {
      'content-type': MULTIPART,
      'content-length': body.length,
      connection: 'keep-alive',
    }
    const options = {
      port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/$batch',
      headers,
      agent: false,
    }
    const caller = http.request(options)
    caller.on('error', () => {})
    caller.write(body.subarray(0, -1), () => resolve(caller))
  })

t.test('a guarded batch that stops in the middle ends with SKP_IDLE_TIMEOUT', async (t) => {
  const { port, api } = await start(t, { SKP_ACCESS: 'read-only', SKP_IDLE_TIMEOUT: '50ms' })
  const caller = await unfinished(port, Buffer.from(READS))
  const answer = await new Promise<http.IncomingMessage>((resolve) =>
    caller.once('response', resolve),
  )
  t.match(answer, { statusCode: 408, headers: { 'x-error-code': 'caller_timeout' } })
  caller.end(READS.slice(-1))
  await new Promise((resolve) => answer.resume().once('end', resolve))
  t.equal((await call(port)).status, 200, 'and the next request works')
  t.equal(api.requests.length, 1, 'the late end changes nothing')
})

t.test('all guarded batches together hold 32 MB at most', async (t) => {
  const stage = await start(t, { SKP_ACCESS: 'read-only' })
  const large = Buffer.alloc(1024 * 1024, '\r\n')
  const callers = await Promise.all(Array.from({ length: 33 }, () => unfinished(stage.port, large)))
  const answered = callers.map(
    (caller) =>
      new Promise<http.IncomingMessage>((resolve) => {
        caller.once('response', resolve)
      }),
  )
  t.match(await Promise.race(answered), {
    statusCode: 503,
    headers: { 'x-error-code': 'overloaded', 'retry-after': '1' },
  })
  t.equal(stage.api.requests.length, 0)
  await allowed(t, stage, {}, 'other requests do not count')
  for (const caller of callers) caller.destroy()
  while (stage.log.filter(({ type }) => type === 'request').length < 34) {
    await new Promise(setImmediate)
  }
  await allowed(t, stage, batch(READS), 'and then there is room again')
})

t.test('callers', async (t) => {
  const local = await start(t, { SKP_ALLOWED_HOSTS: '' })
  const guarded = await start(t, { SKP_CALLER_TOKEN: TOKEN, SKP_ALLOWED_HOSTS: 'proxy' })

  t.test('on loopback, a name that was made to point here is refused', async (t) => {
    for (const host of [`localhost:${local.port}`, '127.0.0.1', '[::1]:1']) {
      await allowed(t, local, { headers: { host } }, host)
    }
    for (const host of ['evil.example', `evil.example:${local.port}`, 'localhost.evil.example']) {
      const expected = { denied: 'host', text: /SKP_ALLOWED_HOSTS/ }
      await refused(t, local, { headers: { host } }, expected, host)
    }
    const old = await exchange(local.port, 'GET / HTTP/1.0\r\n\r\n')
    t.match(old, /^HTTP\/1\.1 403 /, 'no Host at all')
  })

  t.test('neither does such a name get in through the port of a container', async (t) => {
    const container = await start(t, { SKP_HOST: '0.0.0.0', SKP_ALLOWED_HOSTS: '' })
    const { port } = container
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, '172.17.0.2', `proxy:${port}`]) {
      await allowed(t, container, { headers: { host } }, host)
    }
    for (const host of [`evil.example:${port}`, '127.0.0.1.evil.example', 'localhost.']) {
      const expected = { denied: 'host', text: /SKP_ALLOWED_HOSTS/ }
      await refused(t, container, { headers: { host } }, expected, host)
    }
  })

  t.test('a page of another origin is refused', async (t) => {
    const host = `localhost:${local.port}`
    const pages = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: 'http://localhost:1' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site', origin: `http://${host}` },
    ]
    for (const page of pages) {
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        const attack = { method, headers: { host, ...page } }
        await refused(t, local, attack, { denied: 'origin' }, JSON.stringify(page))
      }
    }
    const twice = ['host', host, 'origin', `http://${host}`, 'origin', 'https://evil.example']
    await refused(t, local, { headers: twice }, { denied: 'origin' }, 'two origins')
    await allowed(t, local, { headers: { host, origin: `http://${host}` } }, 'its own page')
  })

  t.test('without SKP_CALLER_TOKEN nobody is let in', async (t) => {
    const host = 'proxy'
    const wrong = [{}, { 'x-caller-token': `${TOKEN}x` }, { 'x-caller-token': '' }]
    for (const headers of wrong) {
      const expected = { denied: 'caller_token', text: /SKP_CALLER_TOKEN/ }
      await refused(
        t,
        guarded,
        { headers: { host, ...headers } },
        expected,
        JSON.stringify(headers),
      )
    }
    const headers = { host, 'x-caller-token': TOKEN }
    const seen = await allowed(t, guarded, { headers }, 'the right one')
    t.notMatch(seen?.rawHeaders.join('\n'), TOKEN, 'it goes no further')
    await allowed(t, guarded, { headers, path: `/${TOKEN}` }, 'a careless path')
    t.notMatch(JSON.stringify(guarded.log), TOKEN, 'nor into a log')
  })

  t.test('probes need neither a token nor a name', async (t) => {
    for (const path of ['/-/live', '/-/ready']) {
      t.equal((await call(guarded.port, { path })).status, 200, path)
    }
  })
})

t.test('the charset of JSON is taken out on the way, and nothing else', async (t) => {
  const type = 'application/json;odata=verbose; charset=utf-8'
  for (const [setting, seen] of [
    ['on', 'application/json;odata=verbose'],
    ['off', type],
  ] as const) {
    const { port, api } = await start(t, { SKP_STRIP_JSON_CHARSET: setting })
    const body = '{"Name":"Müller"}'
    await call(port, { method: 'POST', headers: { 'content-type': type }, body })
    t.match(api.requests, [{ headers: { 'content-type': seen }, body: Buffer.from(body) }])
    const inside = `${line('POST', 'A', `Content-Type: ${type}\r\n`)}{}`
    await call(port, batch(multipart([part(inside)])))
    t.equal(api.requests[1]?.body.toString(), multipart([part(inside)]), 'parts stay as they are')
  }
})
