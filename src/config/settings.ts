/** Every setting once. Documentation, flags, `.env.example` and validation are read off this table. */
import {
  allowRules,
  choice,
  delay,
  hosts,
  integer,
  rate,
  routeList,
  secret,
  type SettingType,
  size,
  text,
  timeLimit,
} from './setting-types.ts'

export interface Setting<T> {
  /** Environment variable; the flag is its kebab-case without the prefix. */
  readonly env: `SKP_${string}`
  readonly type: SettingType<T>
  /** As it would be written; `undefined`: unset, or computed (then `defaultNote` says how). */
  readonly default?: string
  readonly defaultNote?: string
  readonly description: string
  /** Who has a reason to set it, in one line. */
  readonly who: string
}

/** A setting that always has a value, because its default is written here. */
interface Defaulted<T> extends Setting<T> {
  readonly default: string
}

const setting = <T>(entry: Defaulted<T>): Defaulted<T> => entry

const optional = <T>(entry: Setting<T>): Setting<T> => entry

export const configSchema = {
  port: optional({
    env: 'SKP_PORT',
    type: integer(0, 65_535),
    defaultNote: '`PORT`, else 8080; required in sidecar mode',
    description: 'Port of the proxy. 0 takes a free one.',
    who: 'a sidecar, and whoever runs something else on 8080',
  }),
  host: optional({
    env: 'SKP_HOST',
    type: text,
    defaultNote: '`0.0.0.0` on Cloud Foundry and Kubernetes in service mode, else `127.0.0.1`',
    description: 'Address the proxy listens on.',
    who: 'a plain container, which is reached from outside on `0.0.0.0` only, and a machine with several addresses',
  }),
  mode: setting({
    env: 'SKP_MODE',
    type: choice('service', 'sidecar'),
    default: 'service',
    description: '`sidecar` listens on loopback, needs `SKP_PORT` and never takes `PORT`.',
    who: 'a sidecar, which shares the environment with the app and must leave `PORT` to it',
  }),
  adminPort: setting({
    env: 'SKP_ADMIN_PORT',
    type: integer(0, 65_535),
    default: '9090',
    description: 'Port of the admin server: probes, metrics, log level. 0: there is none.',
    who: 'several proxies on one machine, which cannot all have 9090, and whoever wants no second port',
  }),
  adminHost: optional({
    env: 'SKP_ADMIN_HOST',
    type: text,
    defaultNote: '`SKP_HOST` in service mode, `127.0.0.1` in sidecar mode',
    description:
      'Address the admin server listens on. On loopback it answers only to `localhost` and addresses in `Host`, elsewhere as `SKP_ALLOWED_HOSTS` says.',
    who: 'a sidecar in a pod, whose probes and scrapes come from outside of its loopback',
  }),
  service: setting({
    env: 'SKP_SERVICE',
    type: text,
    default: 'integration-assessment',
    description: 'Offering label, type, tag or instance name of the binding to use.',
    who: 'whoever binds another offering than Integration Assessment, or a user-provided service',
  }),
  binding: optional({
    env: 'SKP_BINDING',
    type: text,
    description: 'Exact binding or instance name, for when several bindings match.',
    who: 'an app to which several matching instances are bound, such as one for tests and one for production',
  }),
  keyFile: optional({
    env: 'SKP_KEY_FILE',
    type: text,
    description:
      'File with the service key: the bare key, `{"credentials": …}` as `cf service-key` prints it, or a `default-env.json`; or the folder of a mounted Secret. Wins over every other place.',
    who: 'a laptop with the output of `cf service-key`, and a pod with its Secret mounted in a place of its own',
  }),
  keyPoll: setting({
    env: 'SKP_KEY_POLL',
    type: timeLimit,
    default: '30s',
    description:
      'How often a key on disk is looked at again, beside the watch on its directory that notices most changes at once.',
    who: 'whoever rotates keys where changes cause no event, such as on a network file system, and wants them noticed sooner',
  }),
  target: setting({
    env: 'SKP_TARGET',
    type: text,
    default: 'entities',
    description: 'Field of the key that holds the base URL. Dots reach into objects.',
    who: 'whoever calls another API of the key, such as `management`, or has a key that holds its URL elsewhere',
  }),
  routes: optional({
    env: 'SKP_MOUNTS',
    type: routeList,
    defaultNote: '`/=` and `SKP_TARGET`',
    description:
      'Several base URLs under own prefixes: `/=entities,/management=management`; of several keys by naming the binding: `/dev=intas-dev:entities,/prod=intas-prod:entities`.',
    who: 'whoever has one proxy for several APIs of a key, or for several instances',
  }),
  access: setting({
    env: 'SKP_ACCESS',
    type: choice('read-write', 'read-only'),
    default: 'read-write',
    description:
      '`read-only` lets GET, HEAD and OPTIONS pass, and a `$batch` of at most 1 MB whose every part is a GET.',
    who: 'whoever gives readers, such as reports, a key that could write as well',
  }),
  allow: optional({
    env: 'SKP_ALLOW',
    type: allowRules,
    defaultNote: 'everything',
    description:
      'What is allowed, as a comma list of methods and path patterns: `GET|HEAD /Vendor*,POST /Request/**`. `*` stands for any characters of a segment, `**` at the end for any further segments. The parts of a `$batch` (at most 1 MB) are looked at; what `$expand` reads is not.',
    who: 'whoever hands on a part of the rights of the key, such as one entity set',
  }),
  allowedHosts: optional({
    env: 'SKP_ALLOWED_HOSTS',
    type: hosts,
    defaultNote:
      '`localhost,127.0.0.1,[::1]` where `SKP_HOST` is a loopback address; else `*` on Cloud Foundry and Kubernetes, and elsewhere these, every address and every name without a dot',
    description:
      'Values of `Host` that are accepted, as a comma list; without a port, any port. `*` accepts all. The admin port accepts them beside those of its own default, unless it is on loopback.',
    who: 'a proxy that is called by a name with a dot outside of Cloud Foundry and Kubernetes, such as `host.docker.internal`, and a proxy that is to answer to its own route only',
  }),
  callerToken: optional({
    env: 'SKP_CALLER_TOKEN',
    type: secret,
    description:
      'Secret of at least 16 characters that callers must send as `x-caller-token`; it is not passed on. Probes need none.',
    who: 'a proxy whose port others reach as well, such as on a shared machine',
  }),
  stripJsonCharset: setting({
    env: 'SKP_STRIP_JSON_CHARSET',
    type: choice('on', 'off'),
    default: 'on',
    description:
      'Whether `charset=utf-8` is taken out of the type `application/json` of a request, because the API refuses it.',
    who: 'whoever has an API that takes the parameter, and wants requests to arrive unchanged (`off`)',
  }),
  connectTimeout: setting({
    env: 'SKP_CONNECT_TIMEOUT',
    type: timeLimit,
    default: '5s',
    description: 'Limit for connecting to the API: its name, all its addresses, and TLS.',
    who: 'whoever reaches the API over a slow line or a busy outbound proxy, and callers who rather fail sooner',
  }),
  responseTimeout: setting({
    env: 'SKP_RESPONSE_TIMEOUT',
    type: timeLimit,
    default: '60s',
    description: 'Limit from the end of the request to the head of the answer.',
    who: 'callers of queries that the API works on for more than a minute, and callers who rather fail sooner',
  }),
  idleTimeout: setting({
    env: 'SKP_IDLE_TIMEOUT',
    type: timeLimit,
    default: '120s',
    description: 'Limit for a pause between two pieces of an answer.',
    who: 'readers of exports in which the API pauses for more than two minutes, and whoever wants stuck answers given up sooner',
  }),
  minRate: setting({
    env: 'SKP_MIN_RATE',
    type: rate,
    default: '1KB',
    description:
      'Bytes a second, averaged over 30 s, that a caller has to send of a body and to take of an answer. Only the time counts in which the caller is waited for: what the API takes its time for counts against nobody.',
    who: 'whoever has callers on very slow lines, or who work on each row while they read (`0`), and whoever wants the slow ones gone sooner',
  }),
  upstreamConnections: optional({
    env: 'SKP_UPSTREAM_CONNECTIONS',
    type: integer(1, 100_000),
    defaultNote: '`SKP_MAX_IN_FLIGHT`, so that no request waits for another',
    description:
      'Connections to the API at most. A request needs one for itself as long as it lasts.',
    who: 'whoever has an API that allows few connections, which requests then queue for',
  }),
  queueTimeout: setting({
    env: 'SKP_QUEUE_TIMEOUT',
    type: timeLimit,
    default: '5s',
    description:
      'How long a request waits at most while all of `SKP_UPSTREAM_CONNECTIONS` are taken; then it is answered with 503.',
    who: 'whoever allows few connections to the API, and has callers that rather wait than fail, or the other way round',
  }),
  maxHeaderSize: setting({
    env: 'SKP_MAX_HEADER_SIZE',
    type: size(4 * 1024, 1024 * 1024),
    default: '64KB',
    description: 'Size of all header fields of a request, or of an answer, at most.',
    who: 'callers who filter by more than a thousand keys in the URL, which counts, and whoever wants less let in',
  }),
  maxInFlight: setting({
    env: 'SKP_MAX_IN_FLIGHT',
    type: integer(1, 100_000),
    default: '1000',
    description: 'Requests at the same time at most; more are answered with 503.',
    who: 'a small container, which has to refuse sooner, and a large one before a slow API, which may hold more',
  }),
  maxBody: optional({
    env: 'SKP_MAX_BODY',
    type: size(1024, 1024 ** 4),
    defaultNote: 'unlimited',
    description: 'Size of the body of a request at most.',
    who: 'whoever has callers that are not trusted with uploads of any size',
  }),
  replayWrites: setting({
    env: 'SKP_REPLAY_WRITES',
    type: choice('invalid-token', 'on', 'off'),
    default: 'invalid-token',
    description:
      'Whether a request that the API answers with 401 is sent again with a new token even if it writes: where the 401 says that the token was the reason (`WWW-Authenticate: Bearer error="invalid_token"`), after any 401, or never. Its body must have a length of at most 64 KB.',
    who: 'callers who cannot repeat a write, before an API that gives no reason but looks at the token before it does anything (`on`); whoever rather decides about each write (`off`)',
  }),
  passUnauthorized: setting({
    env: 'SKP_PASS_401',
    type: choice('off', 'on'),
    default: 'off',
    description:
      'Whether a 401 that a new token does not cure reaches the caller as it is, instead of as 502.',
    who: 'whoever has to see why the API refuses a valid token, by its own answer',
  }),
  rewriteLinks: setting({
    env: 'SKP_REWRITE_LINKS',
    type: choice('on', 'headers', 'off'),
    default: 'on',
    description:
      'Whether links of the API in its answers become links of the proxy: in header fields and bodies, in header fields only, or not at all.',
    who: 'whoever compares bodies byte for byte (`off`), and readers of large bodies who follow no links in them (`headers`)',
  }),
  explain: setting({
    env: 'SKP_EXPLAIN',
    type: choice('off', 'on'),
    default: 'off',
    description:
      'Whether answers have a `Server-Timing` field: how the token was come by, the time of the API, and all of it, up to the head of the answer.',
    who: 'whoever looks for what makes requests slow: the token, the API or the proxy',
  }),
  caFile: optional({
    env: 'SKP_CA_FILE',
    type: text,
    description:
      'PEM file of certificate authorities to trust beside the built-in ones and `NODE_EXTRA_CA_CERTS`.',
    who: 'whoever reaches the API through a company proxy that opens TLS, or tests with certificates of their own',
  }),
  allowHttp: setting({
    env: 'SKP_ALLOW_HTTP',
    type: choice('loopback', 'on', 'off'),
    default: 'loopback',
    description:
      'Whether the base URL and the token URL may be plain http: for loopback hosts only, always, or never.',
    who: 'tests with an API in another container, without TLS (`on`), and whoever rules plain http out (`off`)',
  }),
  drainDelay: setting({
    env: 'SKP_DRAIN_DELAY',
    type: delay,
    default: '2s',
    description:
      'How long requests are still accepted after a stop signal, because routes are removed late.',
    who: 'a proxy behind a router that removes routes later, and a native sidecar, which stops after its callers (`0s`)',
  }),
  drainTimeout: setting({
    env: 'SKP_DRAIN_TIMEOUT',
    type: timeLimit,
    default: '25s',
    description: 'Limit for finishing what is in flight after a stop signal, the delay included.',
    who: 'whoever has answers that take longer than 25 s, on a platform that waits longer for the end, such as Cloud Foundry',
  }),
  tokenUrl: optional({
    env: 'SKP_TOKEN_URL',
    type: text,
    defaultNote: '`url` of the key + `/oauth/token`',
    description: 'Token endpoint to use instead of the one of the key.',
    who: 'whoever gets tokens through a gateway, or from a token server for tests, with a key that names another',
  }),
  tokenScope: optional({
    env: 'SKP_TOKEN_SCOPE',
    type: text,
    description: '`scope` parameter of the token request (space-separated).',
    who: 'whoever wants a token with fewer rights than the client has, and a token server that grants no scope unasked',
  }),
  tokenParams: optional({
    env: 'SKP_TOKEN_PARAMS',
    type: text,
    description: 'Further form fields of the token request, form-encoded: `a=1&b=2`.',
    who: 'a token server that asks for more than the standard does, such as `resource` or `audience`',
  }),
  tokenTimeout: setting({
    env: 'SKP_TOKEN_TIMEOUT',
    type: timeLimit,
    default: '5s',
    description: 'Limit for one token request.',
    who: 'whoever has a slow token server, or reaches it through a slow outbound proxy',
  }),
  tokenWait: setting({
    env: 'SKP_TOKEN_WAIT',
    type: timeLimit,
    default: '8s',
    description: 'How long a request waits for a token at most.',
    who: 'callers with a limit of their own below 8 s, and jobs that rather wait than fail',
  }),
  logLevel: setting({
    env: 'SKP_LOG_LEVEL',
    type: choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    default: 'info',
    description: 'Least severe log level that is written.',
    who: 'whoever looks for a fault (`debug`), or has no use for a line about each request (`warn`)',
  }),
  logFormat: setting({
    env: 'SKP_LOG_FORMAT',
    type: choice('auto', 'json', 'pretty'),
    default: 'auto',
    description: '`auto` is `pretty` on a terminal and `json` elsewhere.',
    who: 'whoever passes the lines of a terminal on to a program (`json`), or reads those of a container (`pretty`)',
  }),
  logQuery: setting({
    env: 'SKP_LOG_QUERY',
    type: choice('off', 'on'),
    default: 'off',
    description:
      'Whether the log shows the query strings of requests. OData filters carry personal data.',
    who: 'whoever has to see which queries callers send, and may keep what is in them',
  }),
  logCaller: setting({
    env: 'SKP_LOG_CALLER',
    type: choice('off', 'on'),
    default: 'off',
    description:
      "Whether the log shows a caller's address and `X-Forwarded-For` instead of `redacted`.",
    who: 'whoever has to tell who called, such as for an audit, and may keep addresses',
  }),
} as const

type Schema = typeof configSchema

/** The value of every setting by its name in the schema. */
export type SettingValues = {
  readonly [K in keyof Schema]: Schema[K] extends Defaulted<infer T>
    ? T
    : Schema[K] extends Setting<infer T>
      ? T | undefined
      : never
}

/** `SKP_KEY_FILE` → `key-file`. */
export const flagName = (env: string): string =>
  env.replace(/^SKP_/, '').toLowerCase().replaceAll('_', '-')
