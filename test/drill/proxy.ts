/** The built proxy as a child process that never outlives the drill: it is ended by its pid. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCommand } from '../../scripts/start-command.ts'

export interface ProxyOptions {
  /** Where its key is, and what else is not by default. */
  readonly environment: Readonly<Record<string, string>>
  /** Gets all that it writes; then only the beginning is kept, because a soak writes too much. */
  readonly onOutput?: (chunk: string) => void
}

export interface Proxy {
  readonly port: number
  readonly pid: number
  readonly isRunning: () => boolean
  /** All that it has written, or the beginning of it. */
  readonly log: () => string
  /** Ends it in order. @returns why it died before, or did not end well; `undefined`: all is well */
  readonly stop: () => Promise<string | undefined>
}

const START_LIMIT_MS = 10_000
const STOP_LIMIT_MS = 30_000
/** A build that is just being made has no program for a moment. */
const MAX_STARTS = 5
const BETWEEN_STARTS_MS = 1_000
/** Beside `onOutput`: more than a start writes. */
const MAX_KEPT = 64 * 1024

const running = new Set<ChildProcess>()

export const endProxies = (): void => {
  for (const child of running) child.kill('SIGKILL')
}

/** The environment is given in full, so that no setting of the caller's shell reaches the child. */
const launch = ({ environment, onOutput }: ProxyOptions) => {
  const [node, ...args] = startCommand()
  const child = spawn(node, args, {
    env: {
      SKP_PORT: '0',
      SKP_ADMIN_PORT: '0',
      SKP_HOST: '127.0.0.1',
      SKP_DRAIN_DELAY: '0ms',
      ...environment,
      // Coverage, should this run inside a test, is about the sources.
      _TAPJS_PROCESSINFO_COVERAGE_: '0',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      if (onOutput === undefined || log.length < MAX_KEPT) log += chunk
      onOutput?.(chunk)
    })
  }
  const ended = once(child, 'close').finally(() => running.delete(child))
  return { child, ended, log: () => log }
}

type Launched = ReturnType<typeof launch>

const within = (ms: number, event: Promise<unknown>): Promise<boolean> => {
  const limit = new AbortController()
  const late = sleep(ms, false, { signal: limit.signal }).catch(() => false)
  return Promise.race([event.then(() => true), late]).finally(() => limit.abort())
}

const portIn = (log: string): number | undefined => {
  const line = log.split('\n').find((text) => text.includes('"msg":"listening'))
  if (line === undefined || !line.endsWith('}')) return undefined
  const { address } = JSON.parse(line) as { address: string }
  return Number(new URL(address).port)
}

const listening = async ({ child, ended, log }: Launched): Promise<number | undefined> => {
  const port = new Promise<number | undefined>((resolve) => {
    const look = (): void => {
      const found = portIn(log())
      if (found !== undefined) resolve(found)
    }
    child.stdout.on('data', look)
    void ended.then(() => resolve(undefined))
  })
  if (await within(START_LIMIT_MS, port)) return port
  child.kill('SIGKILL')
  return undefined
}

const stop = async ({ child, ended }: Launched): Promise<string | undefined> => {
  const early = child.exitCode ?? child.signalCode
  if (early !== null) return `ended in the middle of the drill with ${early}`
  child.kill('SIGTERM')
  if (!(await within(STOP_LIMIT_MS, ended))) {
    child.kill('SIGKILL')
    return 'did not stop in time'
  }
  const code = child.exitCode ?? child.signalCode
  return code === 0 ? undefined : `stopped with ${code}`
}

export const startProxy = async (options: ProxyOptions, starts = 1): Promise<Proxy> => {
  const launched = launch(options)
  const port = await listening(launched)
  if (port !== undefined) {
    const isRunning = (): boolean => running.has(launched.child)
    const pid = launched.child.pid as number
    return { port, pid, isRunning, log: launched.log, stop: () => stop(launched) }
  }
  if (starts >= MAX_STARTS) throw new Error(`the proxy does not start:\n${launched.log()}`)
  await sleep(BETWEEN_STARTS_MS)
  return startProxy(options, starts + 1)
}
