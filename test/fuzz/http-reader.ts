/**
 * A reader of HTTP/1.1 that guesses nothing (RFC 9112): what it cannot read in exactly one way is a
 * fault, and what is legal but needless is noted as odd. It shares no code with the proxy. Bytes are
 * latin1 strings here, and `undefined` says that more of them are needed. Pure.
 */

export type Field = readonly [name: string, value: string]

export interface Head {
  readonly startLine: string
  readonly fields: readonly Field[]
  /** Index behind the empty line. */
  readonly end: number
  readonly odd: readonly string[]
}

export interface Body {
  readonly body: string
  readonly end: number
  readonly odd: readonly string[]
}

/** No bytes that may follow can mend it. */
export class Fault extends Error {}

export interface Request {
  readonly method: string
  readonly target: string
  readonly version: string
  readonly fields: readonly Field[]
  /** `undefined`: not all of it is there. */
  readonly body: string | undefined
  readonly odd: readonly string[]
}

export interface Reading {
  readonly requests: readonly Request[]
  /** Index behind the last complete request. */
  readonly end: number
  /** Why nothing more can be read: never, or not yet. */
  readonly rest: 'nothing' | 'closed' | 'incomplete' | Fault
}

/** Up to where nobody can tell any more. */
export const readRequests = (text: string): Reading => {
  const requests: Request[] = []
  let end = 0
  try {
    while (end < text.length) {
      const head = readHead(text, end)
      if (head === undefined) return { requests, end, rest: 'incomplete' }
      const { framing, ...request } = requestOf(head)
      // It has begun even if its body turns out to be none.
      const index = requests.push(request) - 1
      const body = readBody(text, head.end, framing)
      if (body === undefined) return { requests, end, rest: 'incomplete' }
      requests[index] = { ...request, body: body.body, odd: [...request.odd, ...body.odd] }
      ;({ end } = body)
      if (isLast(request)) return { requests, end, rest: 'closed' }
    }
    return { requests, end, rest: 'nothing' }
  } catch (error) {
    if (error instanceof Fault) return { requests, end, rest: error }
    throw error
  }
}

export const readHead = (text: string, from: number): Head | undefined => {
  let start = from
  while (text[start] === '\r' || text[start] === '\n') start += 1
  const end = text.indexOf('\r\n\r\n', start)
  if (end === -1) return undefined
  const [startLine = '', ...lines] = text.slice(start, end).split('\r\n')
  if (/[\r\n\0]/.test(startLine)) throw new Fault('a bare line break in the first line')
  const fields = readFields(lines.join('\r\n'))
  return { startLine, fields, end: end + 4, odd: start > from ? ['an empty line before'] : [] }
}

export const valuesOf = (fields: readonly Field[], wanted: string): string[] =>
  fields.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value)

/** How the body is delimited; `undefined`: by nothing. */
export const framingOf = (fields: readonly Field[]): number | 'chunked' | undefined => {
  const codings = valuesOf(fields, 'transfer-encoding')
  const lengths = valuesOf(fields, 'content-length')
  if (codings.length + lengths.length > 1) throw new Fault('framed more than once')
  const [coding] = codings
  if (coding !== undefined) {
    if (coding.toLowerCase() !== 'chunked') throw new Fault(`coding ${coding}`)
    return 'chunked'
  }
  const [length] = lengths
  return length === undefined ? undefined : readLength(length)
}

/** @param framing what delimits it; without, it is empty */
export const readBody = (
  text: string,
  from: number,
  framing: number | 'chunked' | undefined,
): Body | undefined => {
  if (framing === 'chunked') return readChunks(text, from)
  const end = from + (framing ?? 0)
  return text.length < end ? undefined : { body: text.slice(from, end), end, odd: [] }
}

/** 2^53: larger ones are not the same number to everybody. */
const MAX_LENGTH = Number.MAX_SAFE_INTEGER
const LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) +([\x21-\x7e]+) +HTTP\/(1\.[01])$/

const requestOf = ({ startLine, fields, odd }: Head) => {
  const match = LINE.exec(startLine)
  if (match === null) throw new Fault(`no request: ${JSON.stringify(startLine.slice(0, 80))}`)
  const [, method = '', target = '', version = ''] = match
  const framing = framingFor(fields, version)
  const blanks = /^\S+ \S+ \S+$/.test(startLine) ? [] : ['blanks in the request line']
  return { method, target, version, fields, framing, body: undefined, odd: [...odd, ...blanks] }
}

const framingFor = (fields: readonly Field[], version: string) => {
  const hosts = valuesOf(fields, 'host').length
  if (hosts > 1 || (hosts === 0 && version === '1.1')) throw new Fault(`${hosts} Host fields`)
  const framing = framingOf(fields)
  if (framing === 'chunked' && version === '1.0') throw new Fault('a coding in HTTP/1.0')
  return framing
}

/** Nothing that follows such a request is one (RFC 9112 §9.6). */
const isLast = ({ fields, version, method }: Request): boolean => {
  const options = valuesOf(fields, 'connection').join(',').toLowerCase()
  const names = new Set(options.split(',').map((option) => option.trim()))
  if (names.has('close') || method === 'CONNECT') return true
  return version === '1.0' && !names.has('keep-alive')
}

const readField = (line: string): Field => {
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/s.exec(line)
  if (match === null) throw new Fault(`no field: ${JSON.stringify(line.slice(0, 80))}`)
  const [, name = '', value = ''] = match
  if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) throw new Fault(`a control character in ${name}`)
  return [name, value]
}

const readFields = (text: string): Field[] =>
  text === '' ? [] : text.split('\r\n').map((line) => readField(line))

const readLength = (value: string): number => {
  const length = Number(value)
  if (!/^\d+$/.test(value) || length > MAX_LENGTH) throw new Fault(`length ${value}`)
  return length
}

const readTrailers = (text: string, from: number): { end: number; any: boolean } | undefined => {
  if (text.startsWith('\r\n', from)) return { end: from + 2, any: false }
  const end = text.indexOf('\r\n\r\n', from)
  if (end === -1) return undefined
  for (const [name] of readFields(text.slice(from, end))) {
    if (/^(?:content-length|transfer-encoding)$/i.test(name)) throw new Fault(`trailer ${name}`)
  }
  return { end: end + 4, any: true }
}

const readSize = (line: string): number => {
  const match = /^([0-9A-Fa-f]+)(;[\t\x20-\x7e\x80-\xff]*)?$/.exec(line)
  const size = Number.parseInt(match?.[1] ?? 'no', 16)
  if (!(size <= MAX_LENGTH)) throw new Fault(`chunk size ${JSON.stringify(line.slice(0, 40))}`)
  return size
}

const readChunks = (text: string, from: number): Body | undefined => {
  let body = ''
  const odd: string[] = []
  for (let at = from; ;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const line = text.slice(at, lineEnd)
    const size = readSize(line)
    if (line.includes(';')) odd.push('a chunk extension')
    at = lineEnd + 2
    if (size === 0) {
      const trailers = readTrailers(text, at)
      if (trailers?.any === true) odd.push('trailers')
      return trailers && { body, end: trailers.end, odd }
    }
    body += text.slice(at, at + size)
    at += size
    if (text.length < at + 2) return undefined
    if (!text.startsWith('\r\n', at)) throw new Fault('a chunk without its end')
    at += 2
  }
}
