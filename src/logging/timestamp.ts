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
  /** As it is written up to the second; the milliseconds are put in behind it. */
  let second = -1
  let upToSecond = ''
  return () => {
    const now = wall()
    if (now === last) sequence += 1
    else {
      const milliseconds = now % 1000
      if (now - milliseconds !== second) {
        second = now - milliseconds
        upToSecond = new Date(second).toISOString().slice(0, -4)
      }
      last = now
      sequence = 0
      text = `,"written_at":"${upToSecond}${String(1000 + milliseconds).slice(1)}Z","written_ts":${now}`
    }
    return text + String(1e6 + sequence).slice(1)
  }
}
