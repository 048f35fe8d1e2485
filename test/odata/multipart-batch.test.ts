import t from 'tap'
import { readBatch } from '../../src/odata/batch-reader.ts'
import { changeset, line, multipart, MULTIPART, part, request } from '../fixtures/batches.ts'
import { processorTime } from '../fixtures/processor-time.ts'

const GET = request('GET', 'Vendor')

/** The requests as lines, or the reason why there are none. */
const read = (body: string, type = MULTIPART): readonly string[] | string => {
  const content = readBatch(type, Buffer.from(body))
  return content.ok
    ? content.parts.map(({ method, target }) => `${method} ${target}`)
    : content.reason
}

const READABLE: Record<string, [body: string, requests: readonly string[], type?: string]> = {
  'one request': [multipart([GET]), ['GET Vendor']],
  'several requests': [
    multipart([GET, request('DELETE', "/base/Vendor('1')?x=1")]),
    ['GET Vendor', "DELETE /base/Vendor('1')?x=1"],
  ],
  'a changeset': [
    multipart([GET, changeset([request('POST', 'A'), request('MERGE', 'B')]), GET]),
    ['GET Vendor', 'POST A', 'MERGE B', 'GET Vendor'],
  ],
  'line breaks before, as UI5 sends them': [`\r\n${multipart([GET])}`, ['GET Vendor']],
  'line breaks at the end': [`${multipart([GET])}\r\n`, ['GET Vendor']],
  'no line break at the end': [multipart([GET]).trimEnd(), ['GET Vendor']],
  'no blank behind a colon': [
    multipart([
      'content-type:application/http\r\ncontent-transfer-encoding:binary\r\n\r\n' +
        line('GET', 'A'),
    ]),
    ['GET A'],
  ],
  'nothing but a content type': [
    multipart([`Content-Type: application/http\r\n\r\n${line('GET', 'A')}`]),
    ['GET A'],
  ],
  'a message type': [
    multipart([`Content-Type: application/http; msgtype=request\r\n\r\n${line('GET', 'A')}`]),
    ['GET A'],
  ],
  'the usual fields of a part': [
    multipart([part(line('GET', 'A'), 'Content-ID: 1\r\nMIME-Version: 1.0\r\n')]),
    ['GET A'],
  ],
  'a request whose blank line is that of the delimiter': [
    multipart([part('GET Vendor HTTP/1.1\r\n'), part('GET A HTTP/1.1\r\nAccept: */*\r\n')]),
    ['GET Vendor', 'GET A'],
  ],
  'a request whose body is a line break': [multipart([part(`${line('GET', 'A')}\r\n`)]), ['GET A']],
  'a body with its length': [
    multipart([part(`${line('POST', 'A', 'Content-Length: 2\r\n')}{}\r\n`)]),
    ['POST A'],
  ],
  'the length of a part': [
    multipart([part(line('GET', 'A'), `Content-Length: ${line('GET', 'A').length}\r\n`)]),
    ['GET A'],
  ],
  'a body with line feeds and lines like a request': [
    multipart([part(`${line('POST', 'A')}{\n}\r\n\r\nDELETE B HTTP/1.1\r\n--other`)]),
    ['POST A'],
  ],
  'a quoted boundary': [
    multipart([GET], 'a=b:c/d?e'),
    ['GET Vendor'],
    'Multipart/Mixed;Boundary="a=b:c/d?e" ; charset=UTF-8',
  ],
}

for (const [title, [body, requests, type]] of Object.entries(READABLE)) {
  t.test(`it reads ${title}`, async (t) => {
    t.strictSame(read(body, type), requests)
  })
}

t.test('the header fields of a request are those that it has', async (t) => {
  const body = multipart([request('POST', 'A', 'X-HTTP-Method:DELETE\r\naccept:  \r\n')])
  t.match(readBatch(MULTIPART, Buffer.from(body)), {
    parts: [
      {
        headers: [
          ['X-HTTP-Method', 'DELETE'],
          ['accept', '  '],
        ],
      },
    ],
  })
})

const WHOLE = multipart([GET])
const withType = (type: string) => multipart([`Content-Type: ${type}\r\n\r\n${line('GET', 'A')}`])
const withField = (field: string) => multipart([part(line('GET', 'A'), `${field}\r\n`)])
const withRequest = (text: string) => multipart([part(text)])

/** What some other reader might take for something else. */
const UNREADABLE: Record<string, readonly [reason: RegExp, ...bodies: string[]]> = {
  'no parts': [
    /not (?:begin|end)|delimited/,
    '',
    '\r\n',
    '--batch_1--',
    '--batch_1\r\n--batch_1--',
  ],
  'no end': [
    /not end/,
    WHOLE.slice(0, -4),
    WHOLE.slice(0, -5),
    `--batch_1\r\n${GET}`,
    `${WHOLE}--batch_1\r\n${GET}\r\n`,
  ],
  'a preamble': [/not begin/, `x\r\n${WHOLE}`, ` ${WHOLE}`, `\n${WHOLE}`, `\ufeff${WHOLE}`],
  'an epilogue': [
    /not end/,
    `${WHOLE}x`,
    `${WHOLE} \r\n`,
    `${WHOLE}\n`,
    `${WHOLE}DELETE A HTTP/1.1`,
  ],
  'line feeds alone': [/not end/, WHOLE.replaceAll('\r\n', '\n')],
  'a blank behind a delimiter': [/delimited/, WHOLE.replace('_1\r\n', '_1 \r\n')],
  'a delimiter behind a line feed': [
    /delimited/,
    withRequest(`${line('POST', 'A')}{}\n--batch_1\n\r\n${request('DELETE', 'B')}`),
    withRequest(`${line('POST', 'A')}{}\r--batch_1\r${request('DELETE', 'B')}`),
  ],
  'a delimiter inside a line': [
    /delimited/,
    withRequest(`${line('POST', 'A')}{}--batch_1\r\n${request('DELETE', 'B')}`),
    withRequest(line('GET', 'A?--batch_1')),
  ],
  'a longer delimiter': [
    /delimited/,
    withRequest(`${line('POST', 'A')}\r\n--batch_10\r\n${request('DELETE', 'B')}`),
    multipart([changeset([GET], 'batch_1_2')]),
  ],
  'a part without head': [
    /malformed/,
    multipart([`\r\n${line('GET', 'A')}`]),
    multipart(['GET A']),
  ],
  'a continued field': [
    /malformed/,
    withType('application/http;\r\n msgtype=request'),
    withRequest(line('GET', 'A', 'X-HTTP-Method:\r\n DELETE\r\n')),
    withRequest(line('GET', 'A', ' X-HTTP-Method: DELETE\r\n')),
  ],
  'a malformed field': [
    /malformed/,
    withField('Content-Id : 1'),
    withField(': 1'),
    withField('x'),
    withRequest(line('GET', 'A', 'Accept: a\rX-HTTP-Method: DELETE\r\n')),
    withRequest(line('GET', 'A', 'Accept: a\nX-HTTP-Method: DELETE\r\n')),
    withRequest(line('GET', 'A', 'Accept: \0\r\n')),
    withRequest(line('GET', 'A', 'X HTTP Method: DELETE\r\n')),
  ],
  'a repeated field': [
    /repeated/,
    withField('content-type: multipart/mixed; boundary=x'),
    withRequest(line('GET', 'A', 'X-HTTP-Method: GET\r\nx-http-method: DELETE\r\n')),
  ],
  'an unusual field of a part': [
    /unusual/,
    withField('Content-Encoding: gzip'),
    withField('X-HTTP-Method: DELETE'),
    withField('Transfer-Encoding: chunked'),
  ],
  'an encoded part': [
    /other than binary/,
    WHOLE.replace('binary', 'base64'),
    WHOLE.replace('binary', 'quoted-printable'),
    WHOLE.replace('binary', 'binary\u00a0'),
    WHOLE.replace('binary', ''),
  ],
  'a wrong length': [
    /Content-Length in it is wrong/,
    withField('Content-Length: 0'),
    withField('Content-Length: 999'),
    withField('Content-Length: -1'),
    withField('Content-Length: 0x1'),
    withField('Content-Length: 1, 2'),
    withField('Content-Length: '),
    withRequest(`${line('POST', 'A', 'Content-Length: 2\r\n')}{}${line('DELETE', 'B')}`),
    withRequest(`${line('POST', 'A', 'Content-Length: 9999\r\n')}{}`),
  ],
  'a Transfer-Encoding': [
    /Transfer-Encoding/,
    withRequest(`${line('POST', 'A', 'Transfer-Encoding: chunked\r\n')}0\r\n\r\nDELETE B HTTP/1.1`),
  ],
  'a part of another type': [
    /neither/,
    withType('application/json'),
    withType('application/http; version=1.1'),
    withType('application/http; msgtype=response'),
    withType('application/http; msgtype=request; msgtype=request'),
    withType('application/http, multipart/mixed; boundary=x'),
    withType('"application/http"'),
    withType(''),
    multipart([line('GET', 'A')]).replace('GET A HTTP/1.1', 'Content-Id: 1'),
  ],
  'a changeset in a changeset': [/neither/, multipart([changeset([changeset([GET], 'c')])])],
  'a changeset without a plain boundary': [
    /not just a boundary/,
    withType('multipart/mixed'),
    withType('multipart/mixed; boundary=a; charset=utf-7'),
    withType(`multipart/mixed; boundary=${'a'.repeat(71)}`),
  ],
  'an empty changeset': [/not begin|not end/, multipart([changeset([])])],
  'a cut request': [
    /cut off/,
    withRequest('GET A HTTP/1.1'),
    withRequest('GET A HTTP/1.1\r\nA: b'),
  ],
  'an unusual request line': [
    /request lines/,
    ...[
      'get A',
      'Get A',
      'GET  A',
      'GET\tA',
      ' GET A',
      'GET',
      'GET A B',
      'G\u00cbT A',
      'GET \u00e4',
      '-GET A',
    ].map((text) => withRequest(`${text} HTTP/1.1\r\n\r\n`)),
    ...[
      'GET A HTTP/1.0',
      'GET A HTTP/2',
      'GET A',
      'GET A HTTP/1.1 ',
      '\r\nGET A HTTP/1.1',
      'GET A http/1.1',
    ].map((text) => withRequest(`${text}\r\n\r\n`)),
  ],
  'a GET with a body': [
    /has a body/,
    withRequest(`${line('GET', 'A')}${line('DELETE', 'B')}`),
    withRequest(`${line('HEAD', 'A')}x`),
  ],
}

for (const [title, [reason, ...bodies]] of Object.entries(UNREADABLE)) {
  t.test(`it does not read ${title}`, async (t) => {
    for (const body of bodies) t.match(read(body), reason, body)
  })
}

t.test('it does not read a boundary that parsers see differently', async (t) => {
  const types = [
    'multipart/mixed',
    'multipart/mixed; boundary=',
    'multipart/mixed; boundary=""',
    'multipart/mixed; boundary=batch_1; boundary=batch_2',
    'multipart/mixed; boundary=batch_1; BOUNDARY=batch_1',
    'multipart/mixed; boundary*=batch_1',
    'multipart/mixed; boundary*0=batch; boundary*1=_1',
    'multipart/mixed; boundary = batch_1',
    'multipart/mixed; boundary="batch_1',
    'multipart/mixed; boundary="batch\\_1"',
    'multipart/mixed; boundary="a;b"',
    'multipart/mixed; boundary=batch_1(comment)',
    'multipart/mixed; boundary=batch_1, x',
    'multipart/mixed; boundary=batch_1;',
    'multipart/mixed boundary=batch_1',
    'multipart/mixed; boundary=batch_1\u00a0',
    'multipart/mixed; boundary=batch_1; charset=utf-16',
    'multipart/mixed; boundary=batch_1; charset=utf-7',
    'multipart/mixed; boundary=batch_1; start=x',
    'multipart/form-data; boundary=batch_1',
    'multipart/related; boundary=batch_1',
    'message/http',
    '',
  ]
  for (const type of types) t.type(read(WHOLE, type), 'string', type)
})

const fields = (count: number): string =>
  Array.from({ length: count }, (_, i) => `a${i}: b\r\n`).join('')
const fill = (piece: string): string => piece.repeat(2 ** 20 / piece.length)

t.test('it reads a hundred fields and a thousand parts, and no more', async (t) => {
  t.strictSame(read(withRequest(line('GET', 'A', fields(100)))), ['GET A'])
  t.match(read(withRequest(line('GET', 'A', fields(101)))), /more than 100 fields/)
  t.equal(read(multipart(Array<string>(1000).fill(GET))).length, 1000)
  t.match(read(multipart(Array<string>(1001).fill(GET))), /more than 1000 parts/)
})

t.test('nothing of a megabyte takes long to read', async (t) => {
  const busy = processorTime(() => {
    for (const piece of ['\r\n', ' ', '--batch_1', 'a: b\r\n', '\0']) {
      read(`${fill(piece)}x`)
      read(multipart([fill(piece)]))
      read(withRequest(line('GET', 'A', `a:${fill(piece)}\0\r\n`)))
    }
  })
  t.ok(busy < 5_000, `${busy} ms`)
})
