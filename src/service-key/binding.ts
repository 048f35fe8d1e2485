/** A service binding as every delivery can express it, and how the unknown JSON in it is read. Pure. */
import { isTooDeep, type WatchedPlace } from './file-system.ts'

export interface Binding {
  /** The names a user may call it by: binding name, instance name, `name`. First one is shown. */
  readonly names: readonly string[]
  /** Offering label, `type` or tags. */
  readonly labels: readonly string[]
  /** Tells two bindings of one instance apart, as they exist during a rotation. */
  readonly guid: string | undefined
  /** Or delivered without an offering: only its shape tells what it is for. */
  readonly userProvided: boolean
  readonly credentials: unknown
  /** What could not be read of it. */
  readonly problems: readonly string[]
  /** Where a change of it shows; nowhere if it cannot change in a running process. */
  readonly watch: readonly WatchedPlace[]
}

export type JsonObject = Readonly<Record<string, unknown>>

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * The value, or `undefined` for what is no JSON, or too deep. A parse error of the runtime quotes its input, and
 * the input here is a secret: it goes no further.
 */
export const parseJson = (text: string): unknown => {
  if (isTooDeep(text)) return undefined
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

/** The value under a dotted path, such as `endpoints.api`. */
export const fieldAt = (credentials: JsonObject, path: string): unknown =>
  path.split('.').reduce<unknown>((value, name) => {
    const object = asObject(value)
    return object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined
  }, credentials)

/** The texts among some values of unknown JSON. */
export const texts = (values: readonly unknown[]): readonly string[] =>
  values.filter((value): value is string => typeof value === 'string' && value !== '')
