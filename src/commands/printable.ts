/** What a server sent, for a terminal: one line, no control characters, not endless. Pure. */
const MAX_LENGTH = 200

export const printable = (text: string): string => {
  const plain = text.replaceAll(/[^\x20-\x7e]/g, '?')
  return plain.length > MAX_LENGTH ? `${plain.slice(0, MAX_LENGTH)}…` : plain
}
