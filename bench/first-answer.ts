/** From the start of a proxy to its first right answer. */
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Proxy } from './peers.ts'
import { bodyOf, type Scenario } from './scenarios.ts'

const LIMIT_MS = 20_000
const POLL_MS = 1

const ask = ({ url, headers }: Proxy, scenario: Scenario): Promise<string | undefined> =>
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
      response.on('end', () => resolve(`${response.statusCode} ${post ? '' : length}`.trim()))
    })
    request.end(post ? bodyOf(scenario) : undefined)
  })

/** Waits for the first answer, and checks it: a wrong one is not worth measuring. */
export const untilRight = async (proxy: Proxy, scenario: Scenario): Promise<void> => {
  const right = scenario.method === 'POST' ? '201' : `200 ${bodyOf(scenario).length}`
  const deadline = performance.now() + LIMIT_MS
  for (;;) {
    const answer = await ask(proxy, scenario)
    if (answer === right) return
    // Its token may still be on its way.
    if (answer !== undefined && !answer.startsWith('503')) throw new Error(`answered ${answer}`)
    if (!proxy.child.isRunning()) throw new Error('it ended before it answered')
    if (performance.now() > deadline) throw new Error('it did not answer in time')
    await sleep(POLL_MS)
  }
}
