/** What reached the API, and what the caller got, held against what the caller had sent. Pure. */
import {
  Fault,
  framingOf,
  readBody,
  readHead,
  valuesOf,
  type Head,
  type Reading,
  type Request,
} from './http-reader.ts'

export const BASE_PATH = '/intas/entities/v1'

/** Byte for byte: a path that carries the base path already is taken as it is. */
export const expectedTarget = (target: string): string =>
  isBelow(pathOf(target)) ? target : BASE_PATH + target

export const arrivalFaults = (arrived: Request, authorization: string): string[] => [
  ...arrived.odd,
  ...(mayLeave(arrived.target) ? [`outside the base path: ${arrived.target}`] : []),
  ...fieldFaults(arrived, authorization),
]

/** @returns whether the caller has sent it; the body may still be on its way */
export const wasSent = (arrived: Request, sent: readonly Request[]): boolean =>
  sent.some((request) => isSame(arrived, request))

interface Answer {
  readonly status: number
  /** `x-error-code` */
  readonly code: string | undefined
  /** Target that the API says it answers, as it got it. */
  readonly echo: string | undefined
  /** `Connection: close`: no other answer follows. */
  readonly isLast: boolean
}

export interface Answers {
  readonly answers: readonly Answer[]
  /** Whether they end with a whole one. */
  readonly whole: boolean
  readonly fault: string | undefined
}

/** @param methods of the requests, in their order */
export const answersIn = (text: string, methods: readonly string[]): Answers => {
  const answers: Answer[] = []
  try {
    return { whole: readAnswers(text, methods, answers), answers, fault: undefined }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return { whole: false, answers, fault: error.message }
  }
}

/**
 * @param expected targets at the API, in the order of the requests
 * @returns what is wrong with them
 */
export const answerFaults = (
  { answers, fault }: Answers,
  { requests }: Reading,
  expected: readonly string[],
): string[] => {
  const faults = fault === undefined ? [] : [`an answer that is none: ${fault}`]
  // One refusal may follow, for what is no request.
  if (answers.length > requests.length + 1) faults.push('more answers than requests')
  for (const [index, answer] of answers.entries()) {
    const wrong = answerFault(answer, expected[index])
    if (wrong !== undefined) faults.push(wrong)
  }
  return faults
}

/** Names that must not get through, however they are spelt; in lower case and with dashes. */
const NEVER =
  /^(?:x-forwarded-.*|x-cf-.*|forwarded|x-real-ip|expect|te|trailer|upgrade|keep-alive|proxy-(?:authorization|connection|authenticate)|http2-settings)$/
/** Names of which only the proxy's own may be there, in their proper spelling. */
const OWN = /^(?:transfer-encoding|content-length|x-correlation-id|connection)$/

const DECODE_ROUNDS = 6

const decode = (path: string): string =>
  path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )

const isBelow = (path: string): boolean => path === BASE_PATH || path.startsWith(`${BASE_PATH}/`)

/** Whether a server that decodes often and takes `\` for `/` and `;x` for nothing may leave it. */
const mayLeave = (target: string): boolean => {
  let [path = ''] = target.split('?', 1)
  for (let round = 0; round <= DECODE_ROUNDS; round += 1) {
    const segments = path.split(/[/\\]/).map((segment) => segment.split(/[;?#]/, 1)[0])
    if (segments.includes('..') || !isBelow(path)) return true
    path = decode(path)
  }
  return false
}

const pathOf = (target: string): string => target.split('?', 1)[0] ?? ''

const fieldFaults = ({ fields }: Request, authorization: string): string[] => {
  const shown = valuesOf(fields, 'authorization')
  const faults = shown.length === 1 && shown[0] === authorization ? [] : ['not authorized once']
  for (const [name] of fields) {
    const dashed = name.toLowerCase().replaceAll('_', '-')
    const isAlias = name.includes('_') && OWN.test(dashed)
    if (NEVER.test(dashed) || isAlias) faults.push(`the field ${name}`)
  }
  return faults
}

const isSame = (arrived: Request, sent: Request): boolean =>
  arrived.method === sent.method &&
  arrived.target === expectedTarget(sent.target) &&
  (arrived.body === undefined || arrived.body === sent.body)

const STATUS = /^HTTP\/1\.1 ([1-9]\d\d) [\t\x20-\x7e]*$/

const statusOf = ({ startLine }: Head): number => {
  const status = STATUS.exec(startLine)?.[1]
  if (status === undefined) throw new Fault(`no status line: ${JSON.stringify(startLine)}`)
  return Number(status)
}

const answerOf = ({ fields }: Head, status: number): Answer => ({
  status,
  code: valuesOf(fields, 'x-error-code')[0],
  echo: valuesOf(fields, 'x-echo')[0],
  isLast: valuesOf(fields, 'connection').includes('close'),
})

const hasNoBody = (status: number, method: string | undefined): boolean =>
  status === 204 || status === 304 || method === 'HEAD'

const readAnswers = (text: string, methods: readonly string[], found: Answer[]): boolean => {
  for (let at = 0; at < text.length;) {
    const head = readHead(text, at)
    if (head === undefined) return false
    const status = statusOf(head)
    at = head.end
    if (status < 200) continue
    // What the parser refuses is answered without a look at its method.
    const isRefusal = text.startsWith('{"error"', at)
    const isEmpty = hasNoBody(status, methods[found.length]) && !isRefusal
    const framing = isEmpty ? 0 : framingOf(head.fields)
    found.push(answerOf(head, status))
    // Without framing it lasts until the end.
    const body = readBody(text, at, framing ?? text.length - at)
    // What is no request may still be known to be a HEAD.
    if (body === undefined) return found.length > methods.length && at === text.length
    at = body.end
  }
  return true
}

const OWN_STATUS: ReadonlySet<number> = new Set([400, 403, 404, 405, 408, 413, 431, 502, 503, 504])

const DEFECTS: ReadonlySet<string> = new Set(['internal', 'overloaded'])

const ownFault = (status: number, code: string): string | undefined =>
  DEFECTS.has(code) || !OWN_STATUS.has(status) ? `${code} with ${status}` : undefined

const answerFault = (answer: Answer, expected: string | undefined): string | undefined => {
  const { status, code, echo } = answer
  if (code !== undefined) return ownFault(status, code)
  // Probes have neither.
  if (echo === undefined) return status === 200 || status === 503 ? undefined : `a bare ${status}`
  return echo === expected ? undefined : `the answer to ${echo} for ${expected ?? 'no request'}`
}
