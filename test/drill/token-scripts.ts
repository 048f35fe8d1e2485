/** What the token server answers under each script. `undefined`: nothing at all. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { TokenScript } from './phases.ts'
import { pick, type Random } from './random.ts'
import type { TokenRequest } from './record.ts'

export interface Reply {
  readonly status: number
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
  readonly outcome: TokenRequest['outcome']
  /** ms for which the server does not want to be asked again. */
  readonly pause?: number
}

interface Turn {
  /** Requests under this script before this one. */
  readonly number: number
  readonly random: Random
  /** Takes effect at once: to be called when the answer is sent. */
  readonly grant: () => Reply
}

type Script = (turn: Turn) => Reply | undefined | Promise<Reply | undefined>

const SECOND = 1000
const REJECTED_FOR_MS = 5 * SECOND

/** Never a token: the proxy must neither send it nor log it. */
export const BROKEN_TOKEN = 'drill-broken-7d1f0c'

const json = (status: number, value: unknown, outcome: Reply['outcome']): Reply => ({
  status,
  body: JSON.stringify(value),
  headers: { 'content-type': 'application/json' },
  outcome,
})

const limits: Script = ({ random }) => {
  const seconds = pick(random, [1, 2])
  const inSeconds = { header: String(seconds), pause: seconds * SECOND }
  // A date has no fractions: up to a second of it is gone already.
  const date = new Date(Date.now() + inSeconds.pause).toUTCString()
  const asDate = { header: date, pause: Date.parse(date) - Date.now() }
  const { header, pause } = pick(random, [inSeconds, asDate])
  return { status: 429, body: '', headers: { 'retry-after': header }, outcome: 'limited', pause }
}

const page = (): Reply => ({
  status: 200,
  body: '<!doctype html><title>Sign in</title>',
  headers: { 'content-type': 'text/html' },
  outcome: 'misconfigured',
  pause: REJECTED_FOR_MS,
})

const withToken = (token: unknown): Reply =>
  json(200, { access_token: token, token_type: 'bearer', expires_in: 60 }, 'transient')

/** The page comes last, for it is remembered. */
const GARBAGE: readonly Reply[] = [
  withToken(`${BROKEN_TOKEN}\r\nx-injected: 1`),
  { status: 200, body: '', outcome: 'transient' },
  withToken(`${BROKEN_TOKEN}\u0000`),
  { status: 200, body: `{"access_token":"${BROKEN_TOKEN}`, outcome: 'transient' },
  withToken([BROKEN_TOKEN]),
]

export const SCRIPTS: Readonly<Record<Exclude<TokenScript, 'down'>, Script>> = {
  grants: ({ grant }) => grant(),
  slow: async ({ random, grant }) => {
    await sleep((2 + 2 * random()) * SECOND)
    return grant()
  },
  limits,
  fails: ({ random }) => json(pick(random, [500, 503]), {}, 'transient'),
  hangs: () => undefined,
  rejects: () => ({
    ...json(401, { error: 'invalid_client' }, 'rejected'),
    pause: REJECTED_FOR_MS,
  }),
  garbage: ({ number }) => GARBAGE[number] ?? page(),
}
