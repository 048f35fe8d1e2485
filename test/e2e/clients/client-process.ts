/** A client is a program of its own: it reads a request a line, form-encoded, and answers so, too. */
import type { Test } from 'tap'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Send } from './http-tasks.ts'
import type { Tasks } from './tasks.ts'

type Fields = readonly (readonly [string, string])[]

type Exchange = (fields: Fields) => Promise<URLSearchParams>

const folder = fileURLToPath(new URL('programs', import.meta.url))

const encode = (fields: Fields): string =>
  fields.map((field) => field.map(encodeURIComponent).join('=')).join('&')

/** What the command prints; `undefined` if it cannot be run. */
export const outputOf = (command: string, ...args: string[]): string | undefined => {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd: folder })
  return status === 0 ? `${stdout}${stderr}`.trim() : undefined
}

/** Starts a client; it ends with the test. One exchange at a time. */
export const startClient = (t: Test, command: string, ...args: string[]): Exchange => {
  const child = spawn(command, args, { cwd: folder, stdio: ['pipe', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ended = once(child, 'close')
  t.teardown(async () => {
    child.stdin.end()
    child.kill()
    await ended
  })
  return async (fields) => {
    child.stdin.write(`${encode(fields)}\n`)
    for (;;) {
      const { done, value } = await lines.next()
      if (done === true) throw new Error(`${command} ${args.join(' ')} ended:\n${errors}`)
      // Libraries say things, too.
      if (!value.startsWith('answer=1&')) continue
      const answer = new URLSearchParams(value)
      const error = answer.get('error')
      if (error !== null) throw new Error(error)
      return answer
    }
  }
}

export const sendBy =
  (exchange: Exchange): Send =>
  async (method, url, headers = {}, body) => {
    const answer = await exchange([
      ['method', method],
      ['url', url],
      ...Object.entries(headers).flatMap(([name, value]): Fields => [
        ['name', name],
        ['value', value],
      ]),
      ...(body === undefined ? [] : [['body', body] as const]),
    ])
    return {
      status: Number(answer.get('status')),
      location: answer.get('location') ?? undefined,
      body: answer.get('body') ?? '',
    }
  }

/** For programs that know what the tasks mean. */
export const tasksBy = (exchange: Exchange): Tasks => {
  const run = (task: string) =>
    (async (...args: readonly string[]) => {
      const fields = [['task', task] as const, ['args', JSON.stringify(args)] as const]
      return JSON.parse((await exchange(fields)).get('result') ?? 'null') as unknown
    }) as never
  return {
    metadata: run('metadata'),
    list: run('list'),
    pages: run('pages'),
    expand: run('expand'),
    filter: run('filter'),
    create: run('create'),
    change: run('change'),
    remove: run('remove'),
    batch: run('batch'),
    links: run('links'),
  }
}
