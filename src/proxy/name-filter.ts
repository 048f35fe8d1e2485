/** Tells nearly all field names apart from a few by length and first letter, which is all most need. */

const MAX_LENGTH = 31

/** The lower bits of a letter are the same for small and capital ones. */
const placeOf = (name: string): number =>
  Math.min(name.length, MAX_LENGTH) * 32 + (name.charCodeAt(0) & 31)

/** @returns whether a name, in whatever case, may be one of these; `false` is sure */
export const createNameFilter = (names: Iterable<string>): ((name: string) => boolean) => {
  const places = new Uint8Array((MAX_LENGTH + 1) * 32)
  for (const name of names) places[placeOf(name)] = 1
  return (name) => places[placeOf(name)] === 1
}
