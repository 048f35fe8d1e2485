/** The step of `check` that gets one token, as the proxy would, and tells what it is for. */
import { keyGrant } from '../../app/key-snapshot.ts'
import { systemClock } from '../../clock.ts'
import { asObject, type JsonObject } from '../../service-key/binding.ts'
import type { ServiceKey } from '../../service-key/service-key.ts'
import type { AccessToken } from '../../token/access-token.ts'
import type { TokenFailure } from '../../token/token-response.ts'
import { EXIT } from '../process.ts'
import type { Online } from './connection.ts'
import { printable, type StepReport } from './report.ts'

export interface TokenFinding {
  readonly report: StepReport
  readonly token?: AccessToken
}

/** One request, without a second try. */
export const checkToken = async (
  { config, ca, proxyFor, userAgent, deadline }: Online,
  key: ServiceKey,
): Promise<TokenFinding> => {
  // The jitter decides only when a token would be renewed.
  const grant = keyGrant(
    { config, ca, proxyFor, userAgent, clock: systemClock, random: () => 0 },
    key,
  )
  const outcome = await grant.request(deadline)
  await grant.close()
  return outcome.ok
    ? { report: granted(outcome.token), token: outcome.token }
    : { report: failed(outcome.failure) }
}

/**
 * The few claims that help to find a mistake and give nothing away. The signature is not read.
 *
 * @returns `undefined` if the token is no JWT
 */
export const claimsOf = (token: string) => {
  const payload = payloadOf(token)
  if (payload === undefined) return undefined
  const issuer = issuerHost(payload['iss'])
  const shown = SHOWN.flatMap(([label, ...names]) => {
    const name = names.find((name) => payload[name] !== undefined)
    const texts = name === undefined ? [] : textsOf(payload[name])
    return texts.length === 0 ? [] : [[label, texts] as const]
  })
  const iat = payload['iat']
  return {
    shown: Object.fromEntries([...(issuer ? [['issuer', issuer] as const] : []), ...shown]),
    /** `iat` as ms since 1970. */
    issuedAt: typeof iat === 'number' && Number.isFinite(iat) ? iat * 1000 : undefined,
  }
}

const granted = (token: AccessToken): StepReport => {
  const claims = claimsOf(token.value)
  const lifetime = Math.round(token.lifetime / SECOND_MS)
  const shown = Object.entries(claims?.shown ?? {})
  const difference =
    claims?.issuedAt === undefined ? undefined : clockDifference(claims.issuedAt, token)
  return {
    step: 'token',
    exitCode: EXIT.stopped,
    summary: `granted for ${lifetime} s${claims === undefined ? ', not a JWT' : ''}`,
    problems: [],
    warnings: difference === undefined ? [] : clockWarning(difference),
    rows: [
      ...shown.map(([name, value]) => [name, [value].flat().join(' ')] as const),
      ...(difference === undefined ? [] : [['clock difference', `${difference} s`] as const]),
    ],
    data: { lifetime, claims: claims?.shown, clockDifference: difference },
  }
}

const failed = (failure: TokenFailure): StepReport => {
  const { kind, reason, status, code, description, remedy } = failure
  const said = description === undefined ? '' : ` ("${description}")`
  return {
    step: 'token',
    exitCode: kind === 'rejected' ? EXIT.credential : EXIT.tokenEndpoint,
    summary: 'there is no token',
    problems: [`the token server ${reason}${said}; ${remedy ?? ADVICE[kind]}`],
    warnings: [],
    rows: [],
    data: { kind, status, code },
  }
}

const SECOND_MS = 1_000

/** Seconds by which the server's clock is ahead of this one; negative: behind. */
const clockDifference = (issuedAt: number, { requestedAt }: AccessToken): number =>
  Math.round((issuedAt - requestedAt.wall) / SECOND_MS)

const clockWarning = (difference: number): readonly string[] =>
  Math.abs(difference) <= TOLERANCE_S
    ? []
    : [
        `the token was made ${Math.abs(difference)} s ${difference > 0 ? 'after' : 'before'} now by the clock of this machine; set that clock (the server may also hand out a token again)`,
      ]

/** What delays and a token that the server had in store explain. */
const TOLERANCE_S = 60

const ADVICE: Readonly<Record<TokenFailure['kind'], string>> = {
  rejected:
    'the key may have been deleted or replaced: create a new one and bind it; look at SKP_TOKEN_SCOPE and SKP_TOKEN_PARAMS if they are set',
  misconfigured:
    'this is no token endpoint: compare the field "url" ("certurl" of an X.509 key) or SKP_TOKEN_URL with the key in the cockpit',
  rate_limited: 'wait a minute and try again',
  transient: 'try again; if it lasts, look at the status page of the platform',
}

const payloadOf = (token: string): JsonObject | undefined => {
  const [, payload, signature] = token.split('.')
  if (payload === undefined || signature === undefined) return undefined
  try {
    return asObject(JSON.parse(Buffer.from(payload, 'base64url').toString()))
  } catch {
    return undefined
  }
}

const issuerHost = (value: unknown): string | undefined =>
  typeof value === 'string' && URL.canParse(value) ? new URL(value).host : undefined

/** Names of RFC 7519 §4.1, RFC 8693 §4.2 and §4.3, and `cid` and `zid` of XSUAA. */
const SHOWN: readonly (readonly [label: string, ...names: string[]])[] = [
  ['audience', 'aud'],
  ['client id', 'client_id', 'cid', 'azp'],
  ['scopes', 'scope'],
  ['zone', 'zid'],
]

const textsOf = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value : [value])
    .filter((item): item is string => typeof item === 'string')
    .slice(0, MAX_ITEMS)
    .map(printable)

const MAX_ITEMS = 50
