/**
 * A check of something that most callers write as the caller before did, such as the name of this host:
 * what was accepted last is accepted without looking at it again.
 */

/** @param accepts must not change its mind */
export const rememberingLast = (accepts: (text: string) => boolean) => {
  let last: string | undefined
  return (text: string): boolean => {
    if (text === last) return true
    const accepted = accepts(text)
    if (accepted) last = text
    return accepted
  }
}
