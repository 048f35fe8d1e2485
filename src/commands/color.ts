/** Colour for people: on a terminal only, and never against their wish. Pure. */
import type { Edge } from './edge.ts'

export type Paint = (text: string, color: keyof typeof CODES) => string

const CODES = { red: 31, green: 32, yellow: 33 } as const
const RESET = '\u001B[39m'

/** NO_COLOR counts if it is set to anything (no-color.org). */
export const hasColor = (
  { isTTY }: Edge['stdout'],
  { NO_COLOR = '', TERM }: Edge['environment'],
): boolean => isTTY === true && NO_COLOR === '' && TERM !== 'dumb'

export const painter = (output: Edge['stdout'], environment: Edge['environment']): Paint =>
  hasColor(output, environment)
    ? (text, color) => `\u001B[${CODES[color]}m${text}${RESET}`
    : (text) => text
