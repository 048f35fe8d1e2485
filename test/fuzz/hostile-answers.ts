/** What an API could answer that no caller must suffer from. */
import { pick, type Random } from '../drill/random.ts'

const OK = 'HTTP/1.1 200 OK\r\n'

/** `E` stands for the echo field; `undefined`: no answer, the connection ends. */
const ANSWERS: readonly [string, ...string[]] = [
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

/** @returns bytes after which the connection ends */
export const hostileAnswer = (random: Random, echo: string): string =>
  pick(random, ANSWERS).replaceAll(/(?<=\r\n)E/g, `x-echo: ${echo}\r\n`)
