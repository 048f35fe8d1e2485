/** When a line was written, as SAP's logging services want it: readable, and for putting in order. */

/**
 * `written_ts` counts nanoseconds. No clock here is that fine, so what is below the millisecond only
 * keeps the order of lines within one.
 *
 * @param wall ms since 1970
 * @returns a function that returns the next pair of fields, as a piece of JSON that begins with a comma
 */
export const timestamps = (wall: () => number): (() => string) => {
  let last = -1
  let sequence = 0
  let text = ''
  return () => {
    const now = wall()
    if (now === last) sequence += 1
    else {
      last = now
      sequence = 0
      text = `,"written_at":"${new Date(now).toISOString()}","written_ts":${now}`
    }
    return text + String(1e6 + sequence).slice(1)
  }
}
