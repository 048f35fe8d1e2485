/**
 * JSON text → value, without ever repeating the text: a parse error of the runtime quotes its
 * input, and the input here is a secret.
 */
export type JsonObject = Readonly<Record<string, unknown>>

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The value, or `undefined` for what is no JSON. */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, '')) as unknown
  } catch {
    return undefined
  }
}

/** The object, or `undefined` for anything else. */
export const parseJsonObject = (text: string): JsonObject | undefined => {
  const value = parseJson(text)
  return isJsonObject(value) ? value : undefined
}

/** Values delivered as text may be JSON objects themselves (`uaa`, `endpoints`). */
export const asObject = (value: unknown): JsonObject | undefined => {
  if (isJsonObject(value)) return value
  return typeof value === 'string' && value.trimStart().startsWith('{')
    ? parseJsonObject(value)
    : undefined
}
