/** What callers notice of a token's renewal: the proxy as shipped, under load, a short-lived token. */
import autocannon from 'autocannon'
import { closeSync, createReadStream, openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCommand } from '../scripts/start-command.ts'
import { untilRight } from './first-answer.ts'
import { freePort } from './children.ts'
import { environmentOf } from './peers.ts'
import type { Renewal } from './results.ts'
import { SCENARIOS, type Scenario } from './scenarios.ts'
import type { Surroundings } from './surroundings.ts'
import { startTokenServer } from './token-server.ts'

/** Seconds; a token is renewed at about half of it, so that none is among another's neighbours. */
const LIFETIME = 12
const SECOND = 1_000

interface Answered {
  readonly at: number
  readonly latency: number
}

const p99 = (answers: readonly Answered[], from: number): number => {
  const latencies = answers
    .filter(({ at }) => at >= from && at < from + SECOND)
    .map(({ latency }) => latency)
    .toSorted((a, b) => a - b)
  return latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN
}

const ratioAt = (answers: readonly Answered[], renewal: number): number => {
  const begin = renewal - SECOND / 2
  const neighbours = (p99(answers, begin - SECOND) + p99(answers, begin + SECOND)) / 2
  return p99(answers, begin) / neighbours
}

const load = async (url: string, seconds: number): Promise<Answered[]> => {
  const answers: Answered[] = []
  await new Promise<void>((resolve, reject) => {
    const instance = autocannon({ url, connections: 32, duration: seconds }, (error: unknown) =>
      error ? reject(error) : resolve(),
    )
    instance.on('response', (_client, status, _bytes, latency) => {
      if (status !== 200) reject(new Error(`a caller got ${status} at a renewal`))
      answers.push({ at: performance.now(), latency })
    })
  })
  return answers
}

/** The log of a minute does not fit into a string. */
const waitedIn = async (logFile: string): Promise<number> => {
  let waited = 0
  for await (const line of createInterface({ input: createReadStream(logFile) })) {
    if (line.includes('"waited"')) waited += 1
  }
  return waited
}

/** @param seconds of load */
export const measureRenewal = async (
  surroundings: Surroundings,
  seconds: number,
): Promise<Renewal> => {
  const token = surroundings.authorization.replace('Bearer ', '')
  const tokens = await startTokenServer({ lifetime: LIFETIME, token })
  const port = await freePort()
  const own = { ...surroundings, tokenServer: tokens.url }
  const logFile = `${surroundings.folder}/renewal.log`
  const log = openSync(logFile, 'w')
  const child = surroundings.startProxy(
    startCommand(),
    environmentOf(own, { tls: false, port, adminPort: await freePort() }),
    log,
  )
  const scenario = SCENARIOS.find(({ id }) => id === 'get-32') as Scenario
  const url = `http://127.0.0.1:${port}`
  await untilRight({ child, url, headers: {} }, scenario)
  // Lines come together before they are written.
  await sleep(SECOND)
  const before = await waitedIn(logFile)
  const answers = await load(url + scenario.path, seconds)
  await child.stop()
  closeSync(log)
  tokens.close()
  const [first = 0, last = 0] = [answers[0]?.at, answers.at(-1)?.at]
  const renewals = tokens.grants.filter((at) => at > first + 2 * SECOND && at < last - 2 * SECOND)
  return {
    waited: (await waitedIn(logFile)) - before,
    ratios: renewals.map((at) => ratioAt(answers, at)),
  }
}
