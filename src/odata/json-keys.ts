/** Objects with the same name twice, of which some parsers take the first and some the last. Pure. */

/** A string, with the colon that makes it a name, or a bracket. */
const TOKEN = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}]/g

const MAX_DEPTH = 100

/**
 * Objects nested deeper than any entity count as such, because nobody looks into them.
 *
 * @param json valid JSON (RFC 8259 section 4 leaves the meaning of such objects open)
 */
export const hasRepeatedNames = (json: string): boolean => {
  const open: Set<unknown>[] = []
  for (const [token, text, colon] of json.matchAll(TOKEN)) {
    if (token === '{') {
      open.push(new Set())
      if (open.length > MAX_DEPTH) return true
    } else if (token === '}') open.pop()
    else if (colon !== undefined) {
      const names = open.at(-1) as Set<unknown>
      // Escapes can spell the same name differently.
      const name: unknown = text?.includes('\\') === true ? JSON.parse(text) : text?.slice(1, -1)
      if (names.has(name)) return true
      names.add(name)
    }
  }
  return false
}
