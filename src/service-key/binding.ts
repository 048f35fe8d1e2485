/** A service binding as every delivery can express it, and the choice of one among several. Pure. */
import type { WatchedPlace } from './mounted-folders.ts'
import { fieldAt } from './service-key.ts'

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

export interface BindingSelection {
  /** SKP_SERVICE */
  readonly service: string
  /** SKP_BINDING */
  readonly binding: string | undefined
  /** SKP_TARGET; with `clientid` it is the shape that identifies a user-provided service. */
  readonly target: string
}

/** Why the selection accepts a binding, in words; `undefined`: it does not. */
export const matchReason = (
  candidate: Binding,
  { service, binding, target }: BindingSelection,
): string | undefined => {
  const { names, labels, guid, userProvided, credentials } = candidate
  if (binding !== undefined) {
    if (names.includes(binding)) return 'it has the name that SKP_BINDING or SKP_MOUNTS asks for'
    return guid === binding ? 'it has the guid that SKP_BINDING or SKP_MOUNTS asks for' : undefined
  }
  if (labels.includes(service)) return 'its type, label or a tag is SKP_SERVICE'
  if (names.includes(service)) return 'its name is SKP_SERVICE'
  return userProvided && hasShape(credentials, target)
    ? `it names no offering and has the fields "${target}" and "clientid"`
    : undefined
}

/** Every binding that the selection accepts; more than one means the selection is ambiguous. */
export const matchingBindings = (
  bindings: readonly Binding[],
  selection: BindingSelection,
): readonly Binding[] => bindings.filter((candidate) => matchReason(candidate, selection))

export const displayName = (binding: Binding): string =>
  JSON.stringify(binding.names[0] ?? binding.labels[0] ?? 'unnamed')

/** The texts among some values of unknown JSON. */
export const texts = (values: readonly unknown[]): readonly string[] =>
  values.filter((value): value is string => typeof value === 'string' && value !== '')

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

const hasShape = (credentials: unknown, target: string): boolean =>
  isJsonObject(credentials) &&
  fieldAt(credentials, target) !== undefined &&
  (fieldAt(credentials, 'clientid') ?? fieldAt(credentials, 'uaa.clientid')) !== undefined
