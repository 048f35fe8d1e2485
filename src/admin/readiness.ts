/** Whether requests should come here, and why not in words. Pure. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
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
 * not count.
 */
export const readinessOf = (phase: Phase, keys: readonly KeyState[]): Readiness => {
  const stopping = phase !== 'running'
  const prefix = ({ name }: KeyState): string => (keys.length > 1 ? `key "${name}": ` : '')
  const reasons = keys.flatMap((key) =>
    [tokenReason(key.token), refusal(key)]
      .filter((reason) => reason !== undefined)
      .map((reason) => prefix(key) + reason),
  )
  const usable = keys.some(({ token }) => tokenReason(token) === undefined)
  return { ready: usable && !stopping, reasons: stopping ? ['stopping', ...reasons] : reasons }
}

/* FOLDED:
 * Probes on the data port, because Cloud Foundry knows one port only. They answer from memory.
 * Live never depends on the token server: an outage there must not cause restarts.
 */

interface ProbeOptions {
  readonly readiness: () => Readiness
}

export const probes = async (app: FastifyInstance, options: ProbeOptions): Promise<void> => {
  const [live, ready] = PATHS
  app.addHook('onRequest', (request, reply, done) => {
    if ((PATHS as readonly string[]).includes(pathOf(request))) done()
    else reply.callNotFound()
  })
  app.get(live, { exposeHeadRoute: true }, (request, reply) => {
    identify(request, reply)
    return { status: 'UP' }
  })
  app.get(ready, { exposeHeadRoute: true }, (request, reply) => {
    identify(request, reply)
    const { ready: isReady, reasons } = options.readiness()
    if (!isReady) void reply.code(503)
    const status = isReady ? 'UP' : 'DOWN'
    return reasons.length === 0 ? { status } : { status, reasons }
  })
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
    : `the service key has changed, but cannot be used; the old one is kept: ${refused}`

/** Answered as they are written here and in no other spelling that a router takes for the same. */
const PATHS = ['/-/live', '/-/ready'] as const

const pathOf = (request: FastifyRequest): string =>
  (request.raw.url as string).split('?', 1)[0] as string

const identify = (request: FastifyRequest, reply: FastifyReply): void => {
  const { requestId, correlationId } = request.context.ids
  void reply.headers({ 'x-request-id': requestId, 'x-correlation-id': correlationId })
}
