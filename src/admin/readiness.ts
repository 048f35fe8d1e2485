/**
 * Whether requests should come here, and why not in words; and the probes on the data port, because
 * Cloud Foundry knows one port only. All from memory. Live never depends on the token server: an
 * outage there must not cause restarts.
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Phase } from '../lifecycle.ts'
import type { TokenState } from '../token/token-source.ts'

/** What is known about one service key. */
export interface KeyState {
  /** What tells it from others. */
  readonly name: string
  readonly token: TokenState
  /** Why what the platform delivers now is not in use; `undefined`: it is. */
  readonly refused: string | undefined
}

export interface Readiness {
  readonly ready: boolean
  /** May be there for a proxy that is ready, too: then they are to be mended, but not urgent. */
  readonly reasons: readonly string[]
}

/**
 * Ready means a usable token in hand, or one that lapsed only because nobody asked for anything:
 * else an idle proxy would lose its traffic for good. Of several keys one is enough: the requests of
 * the others are answered with the reason, and those of this one must not be lost. API failures do
 * not count. Pure.
 */
export const readinessOf = (phase: Phase, keys: readonly KeyState[]): Readiness => {
  const stopping = phase !== 'running'
  const reasons = keys.flatMap((key) => {
    const prefix = keys.length > 1 ? `key "${key.name}": ` : ''
    const own = [tokenReason(key.token), refusal(key)]
    return own.filter((reason) => reason !== undefined).map((reason) => prefix + reason)
  })
  const usable = keys.some(({ token }) => tokenReason(token) === undefined)
  return { ready: usable && !stopping, reasons: stopping ? ['stopping', ...reasons] : reasons }
}

/** Sets the status of the reply. @returns the body */
export const readyBody = (reply: FastifyReply, { ready, reasons }: Readiness) => {
  if (!ready) void reply.code(503)
  const status = ready ? 'UP' : 'DOWN'
  return reasons.length === 0 ? { status } : { status, reasons }
}

export const probes = async (
  app: FastifyInstance,
  { readiness }: { readonly readiness: () => Readiness },
): Promise<void> => {
  const [live, ready] = PATHS
  app.addHook('onRequest', (request, reply, done) => {
    const [path = ''] = (request.raw.url as string).split('?', 1)
    if (!(PATHS as readonly string[]).includes(path)) {
      reply.callNotFound()
      return
    }
    const { requestId, correlationId } = request.context.ids
    void reply.headers({ 'x-request-id': requestId, 'x-correlation-id': correlationId })
    done()
  })
  app.get(live, { exposeHeadRoute: true }, () => ({ status: 'UP' }))
  app.get(ready, { exposeHeadRoute: true }, (_request, reply) => readyBody(reply, readiness()))
  app.all('/-/*', (_request, reply) => reply.callNotFound())
}

const tokenReason = ({ freshness, lastOutcome, idle }: TokenState): string | undefined => {
  if (freshness === 'fresh' || freshness === 'soft' || idle) return undefined
  return 'reason' in lastOutcome
    ? `no usable token: the token server ${lastOutcome.reason}`
    : 'no usable token yet'
}

const refusal = ({ refused }: KeyState): string | undefined =>
  refused === undefined
    ? undefined
    : `the service key has changed, but cannot be used; the old key stays in use: ${refused}`

/** Answered as they are written here and in no other spelling that a router takes for the same. */
const PATHS = ['/-/live', '/-/ready'] as const
