/** Waits until a proxy on this machine is ready, or tells why it is not. */
import { Client } from 'undici'
import { elapsed, sleep, type Clock } from '../clock.ts'
import { loadConfig, type Flags } from '../config/load-config.ts'
import { systemCode } from '../errors.ts'
import { EXIT, localUrl, type Process } from './process.ts'

/**
 * Looks where a proxy with these settings would listen.
 * @param timeout in ms
 * @returns 0 as soon as it is ready, 1 after the timeout, 2 where there is no address to look at
 */
export const wait = async (
  { environment, stderr }: Process,
  flags: Flags,
  timeout: number,
  clock: Clock,
): Promise<number> => {
  const { config, problems } = loadConfig(environment, flags)
  const unknown =
    config.port === 0 ? ['SKP_PORT: 0 is any free port; name the one to wait for'] : []
  const faults = problems.length > 0 ? problems : unknown
  if (faults.length > 0) {
    stderr.write(`service-key-proxy cannot wait:\n${list(faults)}`)
    return EXIT.configuration
  }
  const url = localUrl(config.host, config.port)
  const onProgress = (reasons: readonly string[]): void =>
    void stderr.write(`service-key-proxy: waiting for ${url}: ${reasons.join('; ')}\n`)
  const reasons = await poll(url, clock, timeout, onProgress)
  if (reasons.length === 0) return EXIT.stopped
  stderr.write(
    `service-key-proxy: ${url} is not ready after ${timeout / 1000}s:\n${list(reasons)}` +
      `To see for yourself:\n  curl -i ${url}/-/ready\n`,
  )
  return EXIT.notReady
}

const list = (lines: readonly string[]): string => lines.map((line) => `  - ${line}\n`).join('')

/**
 * @param timeout in ms
 * @returns the last reasons; none if the proxy became ready in time
 */
const poll = async (
  url: string,
  clock: Clock,
  timeout: number,
  onProgress: (reasons: readonly string[]) => void,
): Promise<readonly string[]> => {
  const startedAt = clock.now()
  let isTold = false
  for (;;) {
    const left = timeout - elapsed(startedAt, clock.now())
    const limit = Math.min(Math.max(left, POLL_MS), PROBE_LIMIT_MS)
    // oxlint-disable-next-line no-await-in-loop -- one probe after the other
    const reasons = await probe(url, clock, limit)
    const spent = elapsed(startedAt, clock.now())
    if (reasons.length === 0 || spent + POLL_MS >= timeout) return reasons
    if (!isTold && spent >= PROGRESS_MS) {
      isTold = true
      onProgress(reasons)
    }
    // oxlint-disable-next-line no-await-in-loop -- waits for time to pass
    await sleep(clock, POLL_MS)
  }
}

const POLL_MS = 250

/** One probe that is not answered must not take all the time. */
const PROBE_LIMIT_MS = 2_000

/** Somebody who watches gets a sign of life after this time. */
const PROGRESS_MS = 2_000

const probe = async (url: string, clock: Clock, limit: number): Promise<readonly string[]> => {
  const late = new AbortController()
  const cancel = clock.schedule(limit, () => late.abort())
  // Of its own, because the one that is there by default may go through the proxy of HTTP_PROXY.
  const client = new Client(url)
  const reasons = await ask(client, late.signal)
  cancel()
  await client.destroy()
  return reasons
}

/** @returns why the proxy is not ready; nothing: it is */
const ask = async (client: Client, signal: AbortSignal): Promise<readonly string[]> => {
  try {
    const { statusCode, body } = await client.request({ path: '/-/ready', method: 'GET', signal })
    const reasons = reasonsIn(await readText(body))
    if (statusCode === 200) return []
    return reasons.length > 0
      ? reasons
      : [`the probe is answered with ${statusCode}; it may be another program that listens there`]
  } catch (error) {
    if (signal.aborted) return ['the probe is not answered']
    const code = systemCode(error)
    return [code === 'ECONNREFUSED' ? `nothing listens there (${code})` : `no answer (${code})`]
  }
}

const reasonsIn = (body: string): readonly string[] => {
  try {
    const { reasons } = JSON.parse(body) as { readonly reasons?: unknown }
    return Array.isArray(reasons) ? reasons.map(plain) : []
  } catch {
    return []
  }
}

/** As much as a proxy would say: it may be any program that answers. */
const readText = async (body: AsyncIterable<Buffer>): Promise<string> => {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of body) {
    pieces.push(piece)
    length += piece.length
    if (length > MAX_RESPONSE_BYTES) break
  }
  return Buffer.concat(pieces).toString()
}

const MAX_RESPONSE_BYTES = 64 * 1024

/** On the terminal nothing but text. */
const plain = (reason: unknown): string =>
  String(reason)
    .slice(0, MAX_REASON_LENGTH)
    .replaceAll(/\p{Cc}/gu, ' ')

const MAX_REASON_LENGTH = 300
