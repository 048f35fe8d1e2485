/** From the start of a proxy to its first right answer. */
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Proxy } from './peers.ts'
import { bodyOf, type Scenario } from './scenarios.ts'

const LIMIT_MS = 20_000
const POLL_MS = 1

interface Answer {
  readonly status: number | undefined
  readonly length: number
}

const ask = ({ url, headers }: Proxy, scenario: Scenario): Promise<Answer | undefined> =>
  new Promise((resolve) => {
    const post = scenario.method === 'POST'
    const request = http.request(url + scenario.path, {
      method: scenario.method,
      headers: post ? { ...headers, 'content-type': 'application/json' } : headers,
      agent: false,
    })
    request.on('error', () => resolve(undefined))
    request.on('response', (response) => {
      let length = 0
      response.on('data', (chunk: Buffer) => (length += chunk.length))
      response.on('error', () => resolve(undefined))
      response.on('end', () => resolve({ status: response.statusCode, length }))
    })
    request.end(post ? bodyOf(scenario) : undefined)
  })

/** Share of a document's length by which its links may change it. */
const SLACK = 0.1

const isRight = ({ status, length }: Answer, scenario: Scenario): boolean => {
  if (scenario.method === 'POST') return status === 201
  const wanted = bodyOf(scenario).length
  const slack = scenario.links === true ? wanted * SLACK : 0
  return status === 200 && Math.abs(length - wanted) <= slack
}

/** Waits for the first answer, and checks it: a wrong one is not worth measuring. */
export const untilRight = async (proxy: Proxy, scenario: Scenario): Promise<void> => {
  const deadline = performance.now() + LIMIT_MS
  for (;;) {
    const answer = await ask(proxy, scenario)
    if (answer !== undefined && isRight(answer, scenario)) return
    // Its token may still be on its way.
    if (answer !== undefined && answer.status !== 503) {
      throw new Error(`answered ${answer.status} with ${answer.length} bytes`)
    }
    if (!proxy.child.isRunning()) throw new Error('it ended before it answered')
    if (performance.now() > deadline) throw new Error('it did not answer in time')
    await sleep(POLL_MS)
  }
}
