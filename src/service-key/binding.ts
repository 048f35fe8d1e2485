/** A service binding as every delivery can express it, and the choice of one among several. Pure. */
import { isJsonObject } from './json-document.ts'
import { fieldAt } from './service-key.ts'

export interface Binding {
  /** The names a user may call it by: binding name, instance name, `name`. First one is shown. */
  readonly names: readonly string[]
  /** Offering label, `type` or tags. */
  readonly labels: readonly string[]
  /** Tells two bindings of one instance apart, as they exist during a rotation. */
  readonly guid: string | undefined
  readonly userProvided: boolean
  readonly credentials: unknown
}

export interface BindingSelection {
  /** SKP_SERVICE */
  readonly service: string
  /** SKP_BINDING */
  readonly binding: string | undefined
  /** SKP_TARGET; with `clientid` it is the shape that identifies a user-provided service. */
  readonly target: string
}

const hasShape = (credentials: unknown, target: string): boolean =>
  isJsonObject(credentials) &&
  fieldAt(credentials, target) !== undefined &&
  (fieldAt(credentials, 'clientid') ?? fieldAt(credentials, 'uaa.clientid')) !== undefined

/** Every binding that the selection accepts; more than one means the selection is ambiguous. */
export const matchingBindings = (
  bindings: readonly Binding[],
  { service, binding, target }: BindingSelection,
): readonly Binding[] =>
  binding === undefined
    ? bindings.filter(
        (candidate) =>
          candidate.labels.includes(service) ||
          candidate.names.includes(service) ||
          (candidate.userProvided && hasShape(candidate.credentials, target)),
      )
    : bindings.filter(({ names, guid }) => names.includes(binding) || guid === binding)

export const displayName = (binding: Binding): string =>
  JSON.stringify(binding.names[0] ?? binding.labels[0] ?? 'unnamed')

/** With what SKP_BINDING can name it by, should the names be the same. */
export const describeCandidate = (binding: Binding): string =>
  binding.guid === undefined ? displayName(binding) : `${displayName(binding)} (${binding.guid})`

/** The texts among some values of unknown JSON. */
export const texts = (values: readonly unknown[]): readonly string[] =>
  values.filter((value): value is string => typeof value === 'string' && value !== '')
