/** The step of `check` that asks the API for its root with the token, as a caller would. */
import { Client } from 'undici'
import { systemCode } from '../../errors.ts'
import { connectThrough } from '../../outbound/tunnel.ts'
import { basePathOf } from '../../proxy/route.ts'
import type { ServiceKey } from '../../service-key/service-key.ts'
import type { AccessToken } from '../../token/access-token.ts'
import { EXIT } from '../process.ts'
import type { Online } from './connection.ts'
import { printable, type StepReport } from './report.ts'

/** GET of the base URL. Redirects are not followed, and the body is not read. */
export const checkApi = (
  online: Online,
  key: ServiceKey,
  token: AccessToken,
): Promise<StepReport> => ask(online, key, token).then(responseReport, failureReport)

interface ApiResponse {
  readonly status: number
  /** As the server says, made printable. */
  readonly type: string
  /** Seconds by which the server's clock is ahead of this one. */
  readonly clockDifference: number | undefined
}

const ask = async (
  { ca, proxyFor, deadline, userAgent, wall, config }: Online,
  { baseUrl }: ServiceKey,
  { authorization }: AccessToken,
): Promise<ApiResponse> => {
  const client = new Client(baseUrl.origin, {
    connect: connectThrough(proxyFor(baseUrl), {
      rejectUnauthorized: true,
      timeout: config.connectTimeout,
      ...(ca === undefined ? {} : { ca: [...ca] }),
    }),
    maxHeaderSize: config.maxHeaderSize,
  })
  try {
    const response = await client.request({
      path: `${basePathOf(baseUrl)}/`,
      method: 'GET',
      headers: { accept: 'application/json', authorization, 'user-agent': userAgent },
      signal: deadline,
    })
    response.body.on('error', () => {}).destroy()
    const { date, 'content-type': type } = response.headers
    const difference = Math.round((Date.parse(text(date)) - wall()) / SECOND_MS)
    return {
      status: response.statusCode,
      type: printable(text(type)) || 'no type',
      clockDifference: Number.isNaN(difference) ? undefined : difference,
    }
  } finally {
    await client.destroy()
  }
}

/** Several values are none that could be read. */
const text = (value: string | string[] | undefined): string => String(value ?? '')

const SECOND_MS = 1_000

const responseReport = (response: ApiResponse): StepReport => {
  const { status, type, clockDifference } = response
  const advice = adviceFor(status)
  return {
    step: 'api',
    exitCode: advice === undefined ? EXIT.stopped : EXIT.api,
    summary: `answers ${status} (${type})`,
    problems: advice === undefined ? [] : [`the API answered ${status}; ${advice}`],
    warnings: warningsOf(response),
    rows: clockDifference === undefined ? [] : [['clock difference', `${clockDifference} s`]],
    data: { status, type, clockDifference },
  }
}

const adviceFor = (status: number): string | undefined =>
  ADVICE[status] ?? ADVICE[Math.trunc(status / 100)]

const ADVICE: Readonly<Record<string, string>> = {
  401: 'it does not accept the token: look whether token and base URL are of the same key and landscape',
  403: 'the token may not read this: compare its scopes with what the plan of the service instance grants',
  404: 'there is nothing: compare the field of the key that SKP_TARGET or SKP_MOUNTS names with the base URL of the API',
  429: 'it limits the rate: wait a minute and try again',
  3: 'it leads somewhere else, which the proxy does not follow: compare the base URL with the one in the cockpit',
  4: 'compare the base URL with the one in the cockpit',
  5: 'it has a failure of its own: try again; if it lasts, look at the status page of the platform',
}

const warningsOf = ({ type, status, clockDifference = 0 }: ApiResponse): readonly string[] => [
  ...(status < 300 && /html/i.test(type)
    ? ['it answers with a web page: the base URL may be that of a user interface']
    : []),
  ...(Math.abs(clockDifference) > TOLERANCE_S
    ? [`its clock differs from the one of this machine by ${clockDifference} s; set that clock`]
    : []),
]

const TOLERANCE_S = 60

const failureReport = (error: unknown): StepReport => {
  const code = systemCode(error)
  const cause = code === 'unknown' || code === 'ABORT_ERR' ? 'not in time' : code
  return {
    step: 'api',
    exitCode: EXIT.api,
    summary: 'there is no answer',
    problems: [
      `the API gave no answer (${cause}); try again; if it lasts, look at its status page`,
    ],
    warnings: [],
    rows: [],
    data: { code },
  }
}
