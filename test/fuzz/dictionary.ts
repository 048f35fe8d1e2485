/** Words that requests and answers are made of, and what makes servers disagree about them. */
import { BASE_PATH } from './judge.ts'

// prettier-ignore
export const METHODS = [
  'GET', 'GET', 'POST', 'POST', 'PUT', 'PATCH', 'MERGE', 'DELETE', 'HEAD',
]

// prettier-ignore
export const ODD_METHODS = [
  'OPTIONS', 'TRACE', 'CONNECT', 'get', 'FOO', 'PROPFIND', 'G E T', '',
]

// prettier-ignore
export const VERSIONS = [
  '1.1', '1.1', '1.1', '1.1', '1.1', '1.0', '0.9', '2.0', '1.2', '1.10',
]

// prettier-ignore
export const PATHS = [
  '/Vendor', "/Vendor('1')", "/Vendor('a%2Fb')", "/P('a/..b')", "/P(A='1;2',B='O''Neill')/$value",
  '/$batch', '/Vendor//Items', `${BASE_PATH}/Vendor`, '/Vendor;v=1/x', '/.well-known',
]

// prettier-ignore
export const PATH_PIECES = [
  '/', '/', '/', '//', '.', '..', '../', '/../', 'a', 'Vendor', ';', ';a=b', '@', ':', '*', '%2e',
  '%2E', '%2e%2e', '%2f', '%2F', '%5c', '%5C', '%3b', '%25', '%252e', '%252f', '25', '%', '%2',
  '%zz', '%00', '%0d%0a', '%c0%ae', '%e4', '%u002e', '\\', '#', '?', '&', "'", '..;',
  'http://other.example', 'https:', '-', '/-/live', '/-/ready', '/%2D/live', '/-/', BASE_PATH,
  'management', '\t', '\0', '\x0b', '\x7f', '\xe4', ' ', '"', '<', '{', '|', '^', '`',
]

// prettier-ignore
export const QUERIES = [
  '', '', '?$top=1', '?x=/../..', '?%2e%2e%2f', '?a=%', '??', '?$filter=%20eq',
]

// prettier-ignore
export const FIELDS = [
  'Accept: */*', 'Cookie: a=1', 'Cookie: b=2', 'Sap_Client: 100', 'X-Latin: caf\xe9', 'X-Empty:',
  'Authorization: Basic x', 'authorization:Bearer other', 'Proxy-Authorization: Basic x',
  'X-Forwarded-For: 10.0.0.1', 'X_Forwarded_For: 1', 'Forwarded: for=x', 'X-CF-App-Instance: x:0',
  'X-Real-IP: 1', 'Host: other.example', 'Host : x', 'Hos\tt: x', 'X-A: b\r\n c', 'X-A: b\n c: d',
  'TE: trailers', 'Trailer: X-T', 'Expect: 100-continue', 'Expect: other', 'Keep-Alive: timeout=1',
  'Upgrade: websocket', 'Upgrade: h2c\r\nHTTP2-Settings: AA', 'Connection: upgrade', 'X: \x01',
  'Connection: close', 'Connection: keep-alive', 'Connection: authorization, host',
  'Connection: te', 'Connection: content-length',
  'Connection: transfer-encoding, x-correlation-id', 'no colon', ': x', 'Content-Length: 0',
  'Content_Length: 5', 'Transfer_Encoding: chunked', 'X\xe4: 1', 'X[]: 1',
  'Content-Type: application/json; charset=utf-8', 'X-HTTP-Method: DELETE', 'X-Null: a\0b',
  'Origin: http://x', 'X-Correlation-ID: c', 'X-Request-ID: \xff', 'User-Agent: fuzz',
  'Via: 1.1 a',
]

/** `N` stands for the true length. */
// prettier-ignore
export const LENGTHS = [
  'Content-Length: +N', 'Content-Length: -N', 'Content-Length: 0xN', 'Content-Length: 00N',
  'Content-Length:N', 'Content-Length:\tN ', 'Content-Length: N, N', 'Content-Length: N;a',
  'Content-Length: N\r\nContent-Length: N', 'Content-Length: N\r\nContent-Length: 0',
  'Content-Length : N', 'Content-Length:\x0bN', 'Content-Length: N.0', 'Content-Length:',
  'Content-Length: 9007199254740993', 'Content-Length: 18446744073709551617', 'Content-Length: NN',
  'Content-Length: N\r\nTransfer-Encoding: chunked', 'Content-Length: 1', '\rContent-Length: N',
]

// prettier-ignore
export const CODINGS = [
  'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked', 'transfer-encoding:CHUNKED',
  'Transfer-Encoding: chunked\r\nContent-Length: 3', 'Transfer-Encoding : chunked',
  'Transfer-Encoding: xchunked', 'Transfer-Encoding: identity, chunked',
  'Transfer-Encoding:\x0bchunked', 'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: "chunked"', 'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', 'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding:', 'Transfer-Encoding: chunked;a=b', 'Transfer-Encoding: chun\rked',
  'TE: chunked',
]

/** `N` stands for the true size. */
// prettier-ignore
export const CHUNK_SIZES = [
  'N', 'N', 'N', 'N', '0N', 'N;a=b', 'N;a="b;c"', 'N ', ' N', '0xN', '+N', '-N', 'N\r', 'N;\n',
  'fffffffffffffffffN', 'N;a\rb', 'NN', 'N,',
]

export const CHUNK_ENDS = ['0\r\n', '0\r\nX-T: 1\r\n', '00\r\n', '0;a\r\n', '']

/** What scans of bodies may stumble over again and again; no whole link is among it. */
// prettier-ignore
export const REPEATED = [
  '--b\n', '--b\r\nx\r\n', '--b\r\n\r\n', '--b--\r\n', '\n--', '\n--b', '\n', '\r', '-', '--bx', 'f',
  '--b\r\nContent-Type: application/http\r\n\r\n', '--b\r\nContent-Length: 9\r\n\r\n', '/v1', '/',
  '--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n', '\\', '\\\\', '\\"', '"', '{"a":', '[',
  '[],', '{},', '{"a":1},', '&', '&#47;', '&amp;', '&;', '\\u002f', '\\u0', 'http://', 'http:\\/\\/', "='/",
  '"uri":"/', '"uri":"', '<id>', '<id>/', '>/a', '/intas', '/intas/entities/', '"uri":"/intas/entities/v',
  'entities', '/entities', '127.0.0.1', 'http://127.0.0.1:', 'h', ' ', ':', '}', ']', '"a":1,', 'Location: ',
]

/** Of bodies made of them. */
export const REPEATED_TYPES = [
  'multipart/mixed; boundary=b',
  'multipart/mixed; boundary=b',
  'application/json',
  'application/xml',
]

/** What a mutation puts in. */
// prettier-ignore
export const BYTES = [
  '\r', '\n', '\r\n', '\0', '\t', ' ', '\x0b', '\x7f', '\xff', ':', ',', ';', '/', '%', '.', '..',
  '0', '1', '9', 'a', '"', '\r\n\r\n', '\n\n', '\r\n ', '\\', '#', '?', '_', '-',
]

const OK = 'HTTP/1.1 200 OK\r\n'

/** What an API could answer that no caller must suffer from; `E` stands for the echo field. */
export const HOSTILE_ANSWERS: readonly string[] = [
  `HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${OK}Econtent-length: 2\r\n\r\nok`,
  `HTTP/1.1 100 Continue\r\n\r\n${OK}Econtent-length: 2\r\n\r\nok`,
  'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
  `${OK}Econtent-length: 2\r\n\r\nok${OK}x-echo: poison\r\ncontent-length: 2\r\n\r\nno`,
  'HTTP/1.1 200 \xe2\x82\xac\xff\x01\r\nEcontent-length: 2\r\n\r\nok',
  `${OK}Econtent-length: 2\r\ncontent-length: 20\r\n\r\nok`,
  `${OK}Econtent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
  `${OK}Etransfer-encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nx-t: 1\r\n\r\n`,
  `${OK}Etransfer-encoding: chunked\r\n\r\nno chunk`,
  `${OK}Ex-a: b\r\n c\r\ncontent-length: 0\r\n\r\n`,
  `${OK}Ex-a: \x01\r\ncontent-length: 0\r\n\r\n`,
  `${OK}Ex-\xe4: b\r\ncontent-length: 0\r\n\r\n`,
  `${OK}Ex-a: \xff\xfe\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 0\r\n\r\n`,
  `${OK}Econnection: x-a, close\r\nx-a: 1\r\ncontent-length: 0\r\n\r\n`,
  'HTTP/1.1 204 No Content\r\nE\r\n',
  'HTTP/1.1 204 No Content\r\nEcontent-length: 2\r\n\r\nok',
  'HTTP/1.1 304 Not Modified\r\nEcontent-length: 5\r\n\r\n',
  'HTTP/1.1 503 Busy\r\nEretry-after: 1\r\ncontent-length: 0\r\n\r\n',
  'HTTP/1.1 999 Odd\r\nEcontent-length: 0\r\n\r\n',
  'HTTP/1.1 099 Odd\r\nEcontent-length: 0\r\n\r\n',
  'HTTP/1.0 200 OK\r\nEcontent-length: 2\r\n\r\nok',
  `${OK}Econtent-length: 20\r\n\r\npart`,
  'SSH-2.0-OpenSSH_9.9\r\n\r\n',
  '',
]
