/**
 * The second port, for whoever runs the program: probes, metrics, log level, console. It sees the proxy
 * through read-only views, answers from memory, and goes on answering until the proxy has stopped. A
 * web page that a browser on this machine shows reaches nothing here.
 */
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { hostGuard } from '../policy/caller-guard.ts'
import type { Exposition } from './exposition.ts'
import { type Readiness, readyBody } from './readiness.ts'

export interface AdminOptions {
  /** Values of `Host`, as `hostGuard` takes them. */
  readonly allowedHosts: readonly string[]
  readonly readiness: () => Readiness
  /** @param accept field of the scrape */
  readonly expose: (accept: string | undefined) => Promise<Exposition>
  readonly log: Logger
  /** Those whose level changes together with that of `log`. */
  readonly logs: readonly Logger[]
  /** The page for people; it loads when somebody looks. */
  readonly console: {
    /** @returns whether there is something at the path; if not, nothing has been sent */
    readonly answer: (path: string, response: ServerResponse) => Promise<boolean>
    readonly close: () => void
  }
}

export const createAdminServer = (options: AdminOptions): FastifyInstance => {
  const app = Fastify({
    requestTimeout: REQUEST_TIMEOUT_MS,
    bodyLimit: MAX_BODY_BYTES,
    // A scraper that keeps its connection must not hold up the end of the program.
    forceCloseConnections: true,
    return503OnClosing: false,
  })
  const isAllowedHost = hostGuard(options.allowedHosts)
  app.addHook('onRequest', (request, reply, done) => {
    const reason = refusal(request.headers, isAllowedHost)
    if (reason === undefined) return done()
    void reply.code(403).send({ message: reason })
  })
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({
      message: 'There is / for people, /health, /live, /ready, /metrics and /log-level (PUT).',
    }),
  )
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const status = error.statusCode ?? 500
    if (status < 500) return reply.code(status).send({ message: error.message })
    options.log.error({ err: error }, 'a request to the admin server failed by a defect')
    return reply.code(500).send({ message: 'Failed; the log has the reason.' })
  })
  app.get('/health', () => ({ status: 'UP' }))
  app.get('/live', () => ({ status: 'UP' }))
  app.get('/ready', (_request, reply) => readyBody(reply, options.readiness()))
  addConsole(app, options)
  app.get('/metrics', async (request, reply) => {
    const { contentType, text } = await options.expose(request.headers.accept)
    return reply.header('content-type', contentType).send(text)
  })
  addLogLevel(app, options)
  return app
}

/** For callers that are slow on purpose. */
const REQUEST_TIMEOUT_MS = 10_000

const MAX_BODY_BYTES = 1_024

/**
 * Neither the own origin of a web page gets it in, nor a name that it lets resolve to this machine.
 *
 * @returns why the request is refused, in words; `undefined`: it is not
 */
const refusal = (
  { host = '', origin, 'sec-fetch-site': site }: IncomingHttpHeaders,
  isAllowedHost: (host: string) => boolean,
): string | undefined => {
  if (!isAllowedHost(host)) {
    return 'The Host field must be localhost or an address where SKP_ADMIN_HOST is a loopback address, elsewhere a name that SKP_ALLOWED_HOSTS allows.'
  }
  const foreignSite = site !== undefined && site !== 'same-origin' && site !== 'none'
  const foreignOrigin = origin !== undefined && origin !== `http://${host}`
  return foreignSite || foreignOrigin ? 'Pages of other origins have no access.' : undefined
}

const addConsole = (app: FastifyInstance, { console }: AdminOptions): void => {
  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const [path = ''] = request.url.split('?', 1)
    if (await console.answer(path, reply.raw)) reply.hijack()
    else reply.callNotFound()
  }
  // The head of a stream would never end.
  const options = { exposeHeadRoute: false }
  app.get('/', options, answer)
  app.get('/console/*', options, answer)
  // A stream that goes on must not hold up the end of the program.
  app.addHook('preClose', async () => console.close())
}

const addLogLevel = (app: FastifyInstance, { log, logs }: AdminOptions): void => {
  app.get('/log-level', () => ({ level: log.level }))
  app.put('/log-level', ({ body }, reply) => {
    const level = levelOf(body)
    if (level === undefined) {
      return reply.code(400).send({ message: `{"level":"…"}: one of ${LEVELS.join(', ')}.` })
    }
    const from = log.level
    const tell = (): void => log.info({ from, to: level }, 'the log level is changed')
    tell()
    const wasTold = log.isLevelEnabled('info')
    for (const each of [log, ...logs]) each.level = level
    // Whoever reads on should know why there is more to read.
    if (!wasTold) tell()
    return { level }
  })
}

/** By hand: the compiler of schemas is left out of the bundle, see scripts/build.ts. */
const levelOf = (body: unknown): string | undefined => {
  const { level } = (body ?? {}) as { level?: unknown }
  return LEVELS.find((known) => known === level)
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']
