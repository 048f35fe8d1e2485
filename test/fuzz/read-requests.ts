/** Bytes of a connection → the requests in them, up to where nobody can tell any more. Pure. */
import {
  Fault,
  framingOf,
  readBody,
  readHead,
  valuesOf,
  type Field,
  type Head,
} from './strict-http.ts'

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

const LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)( +)([\x21-\x7e]+)( +)HTTP\/(1\.[01])$/

const lineOf = ({ startLine }: Head) => {
  const match = LINE.exec(startLine)
  if (match === null) throw new Fault(`no request: ${JSON.stringify(startLine.slice(0, 80))}`)
  const [, method = '', before, target = '', behind, version = ''] = match
  const odd = before === ' ' && behind === ' ' ? [] : ['blanks in the request line']
  return { method, target, version, odd }
}

const checkHost = (fields: readonly Field[], version: string): void => {
  const hosts = valuesOf(fields, 'host').length
  if (hosts > 1 || (hosts === 0 && version === '1.1')) throw new Fault(`${hosts} Host fields`)
}

/** Nothing that follows such a request is one (RFC 9112 §9.6). */
const isLast = ({ fields, version, method }: Request): boolean => {
  const options = valuesOf(fields, 'connection').join(',').toLowerCase()
  const names = new Set(options.split(',').map((option) => option.trim()))
  if (names.has('close') || method === 'CONNECT') return true
  return version === '1.0' && !names.has('keep-alive')
}

interface Step {
  readonly request?: Request
  /** Index behind it, if it is complete. */
  readonly end?: number
  readonly fault?: Fault
}

/** @returns the fault that it throws */
const attempt = <T>(read: () => T): T | Fault => {
  try {
    return read()
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
}

const readFraming = (fields: readonly Field[], version: string) => {
  const framing = framingOf(fields)
  if (framing === 'chunked' && version === '1.0') throw new Fault('a coding in HTTP/1.0')
  return framing
}

const readRequest = (text: string, from: number): Step => {
  const head = readHead(text, from)
  if (head === undefined) return {}
  const { fields } = head
  const { odd, ...line } = lineOf(head)
  checkHost(fields, line.version)
  const framing = readFraming(fields, line.version)
  const begun = { ...line, fields, body: undefined, odd: [...head.odd, ...odd] }
  const body = attempt(() => readBody(text, head.end, framing))
  if (body instanceof Fault) return { request: begun, fault: body }
  if (body === undefined) return { request: begun }
  return {
    request: { ...begun, body: body.body, odd: [...begun.odd, ...body.odd] },
    end: body.end,
  }
}

export const readRequests = (text: string): Reading => {
  const requests: Request[] = []
  let end = 0
  while (end < text.length) {
    const from = end
    const step = attempt(() => readRequest(text, from))
    if (step instanceof Fault) return { requests, end, rest: step }
    if (step.request !== undefined) requests.push(step.request)
    if (step.fault !== undefined) return { requests, end, rest: step.fault }
    if (step.request === undefined || step.end === undefined) {
      return { requests, end, rest: 'incomplete' }
    }
    ;({ end } = step)
    if (isLast(step.request)) return { requests, end, rest: 'closed' }
  }
  return { requests, end, rest: 'nothing' }
}
