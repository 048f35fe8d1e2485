/** `Content-Type` values in the narrow form that every server reads alike. Pure. */

export interface MediaType {
  /** In lower case. */
  readonly type: string
  /** Names in lower case, no name twice; quotes removed. */
  readonly parameters: ReadonlyMap<string, string>
}

const TYPE = /^[ \t]*([a-z0-9.+-]+\/[a-z0-9.+-]+)[ \t]*$/i

/** Without `(`, which begins a comment for a mail library, and without escapes and separators. */
const PARAMETER = /^[ \t]*([a-z0-9.-]+)=(?:([\w'+.-]+)|"([\w'+.=:/?-]+)")[ \t]*$/i

/** @returns `undefined` for what some parser might read differently */
export const parseMediaType = (value: string): MediaType | undefined => {
  const [first = '', ...rest] = value.split(';')
  const type = TYPE.exec(first)?.[1]
  if (type === undefined) return undefined
  const parameters = new Map<string, string>()
  for (const piece of rest) {
    const [, name, token, quoted] = PARAMETER.exec(piece) ?? []
    if (name === undefined || parameters.has(name.toLowerCase())) return undefined
    parameters.set(name.toLowerCase(), (token ?? quoted) as string)
  }
  return { type: type.toLowerCase(), parameters }
}

/** Whether there are no parameters but those, and no charset but UTF-8. */
export const hasOnly = (
  parameters: ReadonlyMap<string, string>,
  allowed: readonly string[],
): boolean =>
  [...parameters].every(([name, value]) =>
    name === 'charset' ? /^utf-8$/i.test(value) : allowed.includes(name),
  )
