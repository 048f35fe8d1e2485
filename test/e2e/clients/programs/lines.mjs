/** A request a line in, an answer a line out, both form-encoded; one after the other. */
import { createInterface } from 'node:readline'

export const answerLines = async (answer) => {
  for await (const line of createInterface({ input: process.stdin })) {
    const fields = new URLSearchParams(line)
    const values = fields.getAll('value')
    const headers = Object.fromEntries(fields.getAll('name').map((name, i) => [name, values[i]]))
    const { method, url, body } = Object.fromEntries(fields)
    const request = { method, url, headers, body }
    const result = await answer(request, fields).catch((error) => ({ error: error.stack }))
    const known = Object.entries(result).filter(
      ([, value]) => value !== undefined && value !== null,
    )
    process.stdout.write(`answer=1&${new URLSearchParams(known)}\n`)
  }
}

/** The same for clients that know OData: they are told what to do, and do it their way. */
export const answerTasks = (tasks) =>
  answerLines(async (_request, fields) => {
    const result = await tasks[fields.get('task')](...JSON.parse(fields.get('args')))
    return { result: JSON.stringify(result ?? null) }
  })
