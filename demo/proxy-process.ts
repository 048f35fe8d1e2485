/** The built proxy as a child process, with the environment that a platform would give it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../dist/service-key-proxy.mjs', import.meta.url))
const START_LIMIT_MS = 15_000
const POLL_MS = 50

export interface ProxyProcess {
  /** Asks the proxy to stop; resolves with its exit code once it has. */
  readonly stop: () => Promise<number | null>
  /** Resolves when the proxy ends by itself. */
  readonly ended: Promise<unknown>
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = net.createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })

/** The first free port from `port` on. */
export const freePortFrom = async (port: number): Promise<number> =>
  (await isFree(port)) ? port : freePortFrom(port + 1)

const isReady = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const request = http.get(
      { host: '127.0.0.1', port, path: '/-/ready', agent: false },
      (answer) => {
        answer.resume()
        resolve(answer.statusCode === 200)
      },
    )
    request.once('error', () => resolve(false))
  })

const untilReady = async (port: number, isOver: () => boolean): Promise<void> => {
  const deadline = performance.now() + START_LIMIT_MS
  while (!(await isReady(port))) {
    if (isOver() || performance.now() > deadline) throw new Error('the proxy did not become ready')
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS)
    })
  }
}

/** Starts the proxy and resolves once it is ready. */
export const startProxyProcess = async (
  port: number,
  environment: Readonly<Record<string, string>>,
): Promise<ProxyProcess> => {
  const child = spawn(process.execPath, [PROGRAM], {
    env: { ...environment, PORT: String(port) },
    stdio: 'inherit',
    // A Ctrl-C in the terminal reaches the whole process group; the proxy is to hear of it once.
    detached: true,
  })
  const ended = once(child, 'exit')
  const stop = async (): Promise<number | null> => {
    child.kill('SIGTERM')
    await ended
    return child.exitCode
  }
  process.once('exit', () => child.kill('SIGKILL'))
  await untilReady(port, () => child.exitCode !== null).catch(async (error: unknown) => {
    await stop()
    throw error
  })
  return { stop, ended }
}
