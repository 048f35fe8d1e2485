/** What is asked of every proxy. */
export interface Scenario {
  readonly name: string
  readonly connections: number
  readonly method: 'GET' | 'POST'
  /** Of a POST: JSON. */
  readonly body?: string
}

export const PATH = '/Vendor'

/** JSON text of exactly `size` bytes. */
const jsonOf = (size: number): string => {
  const frame = JSON.stringify({ Name: '' })
  return JSON.stringify({ Name: 'x'.repeat(size - frame.length) })
}

/** What the upstream answers to a GET, and what a POST carries. */
export const DOCUMENT = jsonOf(2048)

export const scenarios: readonly Scenario[] = [
  { name: 'GET 2 KB, 1 connection', connections: 1, method: 'GET' },
  { name: 'GET 2 KB, 32 connections', connections: 32, method: 'GET' },
  { name: 'POST 2 KB, 32 connections', connections: 32, method: 'POST', body: DOCUMENT },
]

/** Method, header fields and body, as `fetch` and autocannon both take them. */
export const requestOf = ({ method, body }: Scenario) =>
  body === undefined
    ? { method }
    : { method, body, headers: { 'content-type': 'application/json' } }
