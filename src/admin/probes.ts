/**
 * Probes on the data port, because Cloud Foundry knows one port only. They answer from memory.
 * Live never depends on the token server: an outage there must not cause restarts.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Readiness } from './readiness.ts'

export interface ProbeOptions {
  readonly readiness: () => Readiness
}

/** Answered as they are written here and in no other spelling that a router takes for the same. */
const PATHS = ['/-/live', '/-/ready'] as const

const pathOf = (request: FastifyRequest): string =>
  (request.raw.url as string).split('?', 1)[0] as string

const identify = (request: FastifyRequest, reply: FastifyReply): void => {
  const { requestId, correlationId } = request.journal.ids
  void reply.headers({ 'x-request-id': requestId, 'x-correlation-id': correlationId })
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
