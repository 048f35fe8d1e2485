/** Why the program cannot start, for somebody in front of a terminal. Pure. */
import { describeFound } from '../service-key/attempt.ts'
import type { UnreadKey } from '../service-key/key-source.ts'

/** Where it was looked for goes below, a line for each place, because it would fill several. */
const keyProblems = ({ problems, wanted, attempts = [] }: UnreadKey): readonly string[] => {
  if (wanted === undefined) return problems
  const width = Math.max(...attempts.map(({ place }) => place.length))
  const rows = attempts.map(
    (attempt) => `      ${attempt.place.padEnd(width)}  ${describeFound(attempt)}`,
  )
  return [[`${wanted}; looked at`, ...rows].join('\n')]
}

/** Two mounts may lack the same. */
export const missingKeyProblems = (missing: readonly UnreadKey[]): readonly string[] => [
  ...new Set(missing.flatMap(keyProblems)),
]
