/**
 * Probes on the data port, because Cloud Foundry knows one port only. They answer from memory.
 * Live never depends on the token server: an outage there must not cause restarts.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Readiness } from './readiness.ts'

export interface ProbeOptions {
  readonly readiness: () => Readiness
}

const identify = (request: FastifyRequest, reply: FastifyReply): void => {
  const { requestId, correlationId } = request.journal.ids
  void reply.headers({ 'x-request-id': requestId, 'x-correlation-id': correlationId })
}

export const probes = async (app: FastifyInstance, options: ProbeOptions): Promise<void> => {
  app.get('/-/live', { exposeHeadRoute: true }, (request, reply) => {
    identify(request, reply)
    return { status: 'UP' }
  })
  app.get('/-/ready', { exposeHeadRoute: true }, (request, reply) => {
    identify(request, reply)
    const { ready, reasons } = options.readiness()
    if (!ready) void reply.code(503)
    const status = ready ? 'UP' : 'DOWN'
    return reasons.length === 0 ? { status } : { status, reasons }
  })
  app.all('/-/*', (_request, reply) => reply.callNotFound())
}
