/** What a rotation must not do to callers; a line for each breach. Pure. */
import { isWriting, type Call } from '../record.ts'
import type { RotationRecord } from './run.ts'

const isAnswered = ({ status = 0 }: Call): boolean => status >= 200 && status < 300

/** A write may be sent back to its caller when its token has died: nobody may send it twice. */
const isExcused = ({ method, code }: Call): boolean =>
  isWriting(method) && code === 'token_refreshed_retry'

const describe = ({ method, id, status, code, problem }: Call): string =>
  `${method} ${id}: ${problem ?? `${status} ${code ?? ''}`}`

/** A piece that is long enough to be of use to somebody. */
const pieceOf = (secret: string): string => secret.replace(/-----[^-]+-----\s*/, '').slice(0, 16)

export const judgeRotation = (record: RotationRecord): readonly string[] => {
  const failed = record.calls.filter((call) => !isAnswered(call) && !isExcused(call))
  const crossed = record.calls.filter((call) => isAnswered(call) && call.echoed !== call.id)
  const doubled = [...record.writes].filter(([, times]) => times > 1)
  const shown = record.secrets.filter((secret) => record.log.includes(pieceOf(secret)))
  return [
    ...failed.map((call) => `failed: ${describe(call)}`),
    ...crossed.map((call) => `wrong answer: ${describe(call)}`),
    ...doubled.map(([id, times]) => `written ${times} times: ${id}`),
    ...(record.naked > 0 ? [`${record.naked} requests reached the API without a token`] : []),
    ...(shown.length > 0 ? ['a secret is in the log'] : []),
    ...(record.death === undefined ? [] : [`the proxy ${record.death}`]),
  ]
}

export const rotationTable = ({ type, steps, calls, asked }: RotationRecord): string => {
  const names = [...new Set(steps.map(({ name }) => name))]
  const rows = names.map((name) => {
    const spans = steps.flatMap((step, i) =>
      step.name === name ? [{ from: step.startedAt, to: steps[i + 1]?.startedAt ?? Infinity }] : [],
    )
    const here = calls.filter(({ startedAt }) =>
      spans.some(({ from, to }) => from <= startedAt && startedAt < to),
    )
    const fine = here.filter(isAnswered).length
    const back = here.filter((call) => !isAnswered(call) && isExcused(call)).length
    const worst = Math.max(0, ...here.map(({ startedAt, endedAt }) => endedAt - startedAt))
    return `  ${name.padEnd(22)}${String(spans.length).padStart(4)} x  ${String(here.length).padStart(5)} requests, ${fine} answered, ${back} writes sent back, worst ${worst.toFixed(0)} ms\n`
  })
  return `rotation of ${type}: ${asked} token requests\n${rows.join('')}`
}
