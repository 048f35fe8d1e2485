/** Colour for people: on a terminal only, and never against their wish. Pure. */
import type { Process } from './process.ts'

export type Paint = (text: string, color: keyof typeof CODES) => string

/** NO_COLOR counts if it is set to anything (no-color.org). */
export const hasColor = (
  { isTTY }: Process['stdout'],
  { NO_COLOR = '', TERM }: Process['environment'],
): boolean => isTTY === true && NO_COLOR === '' && TERM !== 'dumb'

export const painter = (output: Process['stdout'], environment: Process['environment']): Paint =>
  hasColor(output, environment)
    ? (text, color) => `\u001B[${CODES[color]}m${text}${RESET}`
    : (text) => text

export const printable = (text: string): string => {
  const plain = text.replaceAll(/[^\x20-\x7e]/g, '?')
  return plain.length > MAX_LENGTH ? `${plain.slice(0, MAX_LENGTH)}…` : plain
}

const CODES = { red: 31, green: 32, yellow: 33 } as const

const RESET = '\u001B[39m'

/** What a server sent, for a terminal: one line, no control characters, not endless. Pure. */
const MAX_LENGTH = 200
