/** What reached the API, held against what its caller had sent. Pure. */
import type { Request } from './read-requests.ts'
import { valuesOf } from './strict-http.ts'

export const BASE_PATH = '/intas/entities/v1'

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

/** Byte for byte: a path that carries the base path already is taken as it is. */
export const expectedTarget = (target: string): string =>
  isBelow(pathOf(target)) ? target : BASE_PATH + target

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

export const arrivalFaults = (arrived: Request, authorization: string): string[] => [
  ...arrived.odd,
  ...(mayLeave(arrived.target) ? [`outside the base path: ${arrived.target}`] : []),
  ...fieldFaults(arrived, authorization),
]

/** @returns whether the caller has sent it; the body may still be on its way */
export const wasSent = (arrived: Request, sent: readonly Request[]): boolean =>
  sent.some((request) => isSame(arrived, request))
