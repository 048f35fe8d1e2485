import * as fc from 'fast-check'
import t from 'tap'
import { readBatch } from '../../src/odata/batch-reader.ts'
import { json, MULTIPART, request } from '../fixtures/batches.ts'
import { processorTime } from '../fixtures/processor-time.ts'

const JSON_TYPE = 'application/json'

/** The requests as lines, or the reason why there are none. */
const read = (body: string | Buffer, type = JSON_TYPE): readonly string[] | string => {
  const content = readBatch(type, Buffer.from(body))
  return content.ok
    ? content.parts.map(({ method, target }) => `${method} ${target}`)
    : content.reason
}

const READABLE: Record<string, [body: string, requests: readonly string[], type?: string]> = {
  'two requests': [
    json(
      { id: '1', method: 'get', url: 'Vendor', headers: { accept: JSON_TYPE } },
      {
        id: '2',
        method: 'Patch',
        url: '$1',
        body: { id: 1 },
        atomicityGroup: 'g',
        dependsOn: ['1'],
      },
    ),
    ['GET Vendor', 'PATCH $1'],
    'application/json;charset=utf-8;IEEE754Compatible=true;odata.metadata=minimal',
  ],
  'null for a body': [json({ method: 'GET', url: 'A', body: null }), ['GET A']],
  'a name in two objects': [
    json({ method: 'POST', url: 'A', body: [{ a: 1 }, { a: '{"a":{"a"' }] }),
    ['POST A'],
  ],
}

for (const [title, [body, requests, type]] of Object.entries(READABLE)) {
  t.test(`it reads ${title}`, async (t) => {
    t.strictSame(read(body, type), requests)
  })
}

t.test('the header fields of a request are those that it has', async (t) => {
  const body = json({ method: 'POST', url: 'A', headers: { 'X-HTTP-Method': 'DELETE' } })
  t.match(readBatch(JSON_TYPE, Buffer.from(body)), {
    parts: [{ headers: [['X-HTTP-Method', 'DELETE']] }],
  })
})

const REQUEST = { method: 'GET', url: 'A' }

const UNREADABLE: Record<string, readonly [reason: RegExp, ...bodies: (string | Buffer)[]]> = {
  'other bytes than JSON in UTF-8': [
    /no JSON in UTF-8/,
    '',
    `${json(REQUEST)}x`,
    `\ufeff${json(REQUEST)}`,
    `/**/${json(REQUEST)}`,
    "{'requests':[]}",
    Buffer.from(json(REQUEST), 'utf16le'),
    Buffer.from(json({ ...REQUEST, url: '\u00e4' }), 'latin1'),
  ],
  'the same name twice': [
    /same name twice/,
    '{"requests":[{"method":"GET","url":"A","method":"DELETE"}]}',
    '{"requests":[{"method":"GET","url":"A","meth\\u006fd" : "DELETE"}]}',
    '{"requests":[{"method":"GET","url":"A"}],"requests":[{"method":"DELETE","url":"A"}]}',
    '{"requests":[{"method":"POST","url":"A","body":{"a":[{"}":1}],"a":"{"}}]}',
  ],
  'another document': [
    /nothing else/,
    '[]',
    'null',
    '"requests"',
    json(),
    '{"requests":{}}',
    '{"Requests":[]}',
    '{"requests":[{"method":"GET","url":"A"}],"Requests":[{"method":"DELETE","url":"A"}]}',
    '{"requests":[{"method":"GET","url":"A"}],"__proto__":{}}',
  ],
  'another member': [
    /member/,
    '{"requests":[[]]}',
    '{"requests":["GET A"]}',
    json({ ...REQUEST, Method: 'DELETE' }),
    json({ ...REQUEST, requests: [REQUEST] }),
    '{"requests":[{"method":"GET","url":"A","__proto__":{"method":"DELETE"}}]}',
  ],
  'a request without method or target': [
    /no method or no url/,
    json({ url: 'A' }),
    json({ method: 'GET' }),
    json({ method: 'GET', url: ['A'] }),
    json({ method: ['GET'], url: 'A' }),
    json({ ...REQUEST, method: '' }),
    json({ ...REQUEST, method: ' GET' }),
    json({ ...REQUEST, method: 'GET\n' }),
    json({ ...REQUEST, method: 'PO\u017fT' }),
  ],
  'other headers than texts': [
    /no object of texts/,
    ...[null, [], 'x-http-method: DELETE', { a: 1 }, { 'x-http-method': ['DELETE'] }].map(
      (headers) => json({ ...REQUEST, headers }),
    ),
  ],
  'malformed headers': [
    /malformed/,
    json({ ...REQUEST, headers: { 'x-http-method ': 'DELETE' } }),
    json({ ...REQUEST, headers: { accept: 'a\r\nx-http-method: DELETE' } }),
    json({ ...REQUEST, headers: { 'accept: a\r\nx-http-method': 'DELETE' } }),
  ],
  'repeated headers': [/repeated/, json({ ...REQUEST, headers: { a: '1', A: '2' } })],
  'a GET with a body': [
    /has a body/,
    json({ ...REQUEST, body: { method: 'DELETE' } }),
    json({ ...REQUEST, method: 'head', body: '' }),
  ],
}

for (const [title, [reason, ...bodies]] of Object.entries(UNREADABLE)) {
  t.test(`it does not read ${title}`, async (t) => {
    for (const body of bodies) t.match(read(body), reason, String(body))
  })
}

t.test('JSON of another type or charset is not read', async (t) => {
  for (const parameter of ['charset=utf-16', 'charset=utf-8;charset=utf-16', 'x=y', 'boundary=x']) {
    t.type(read(json(REQUEST), `${JSON_TYPE};${parameter}`), 'string', parameter)
  }
  t.match(read(json(REQUEST), 'application/problem+json'), /neither/)
})

const fill = (piece: string): string => piece.repeat(2 ** 20 / piece.length)
const times = (count: number): object[] => Array.from({ length: count }, () => REQUEST)

const nested = (depth: number): string =>
  `{"requests":[{"method":"POST","url":"A","body":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}]}`

t.test('it reads a thousand requests, a hundred levels deep, and no more', async (t) => {
  t.equal(read(json(...times(1000))).length, 1000)
  t.match(read(json(...times(1001))), /more than 1000 requests/)
  t.strictSame(read(nested(98)), ['POST A'])
  t.match(read(nested(99)), /too many objects/)
})

t.test('what has too many objects and arrays is not read, quoted ones are text', async (t) => {
  const many = '['.repeat(100_001)
  t.match(read(many), /more than 100000 objects and arrays/)
  t.strictSame(read(json({ method: 'POST', url: 'A', body: `\\"${many}{` })), ['POST A'])
})

t.test('nothing of a megabyte takes long to read', async (t) => {
  const busy = processorTime(() => {
    for (const piece of ['[', '{"a":', '\\\\', '\\"', '"a":1,', ' ', '""']) {
      read(fill(piece))
      read(json({ ...REQUEST, url: fill(piece) }))
      read(`{"requests":[],"a":"${fill(piece)}"}`)
    }
  })
  t.ok(busy < 5_000, `${busy} ms`)
})

t.test('bytes of any kind are either read or not, and never an error', async () => {
  const type = fc.constantFrom(MULTIPART, 'application/json')
  const pieces = fc.constantFrom(
    '--batch_1',
    '--',
    '\r\n',
    '\n',
    request('GET', 'Vendor'),
    ':',
    'GET A HTTP/1.1',
    '{',
    '"',
  )
  fc.assert(
    fc.property(type, fc.array(pieces, { maxLength: 12 }), (type, parts) => {
      readBatch(type, Buffer.from(parts.join('')))
    }),
  )
})
