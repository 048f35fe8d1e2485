/** What the search for a key saw at one place, as data; error texts, logs and `check` print it. Pure. */
import { displayName, matchReason, type Binding, type BindingSelection } from './binding.ts'

/** A binding without its credentials. */
export interface SeenBinding {
  /** Quoted. */
  readonly name: string
  readonly labels: readonly string[]
  readonly guid: string | undefined
  /** Why it matches; `undefined`: it does not. */
  readonly match: string | undefined
  readonly problems: readonly string[]
}

export interface Attempt {
  /** `SERVICE_BINDING_ROOT /bindings` */
  readonly place: string
  readonly verdict: 'absent' | 'broken' | 'no match' | 'ambiguous' | 'chosen'
  readonly bindings: readonly SeenBinding[]
  /** What is wrong with the place itself, or with the one key in it. */
  readonly problems: readonly string[]
}

export const seenBinding = (binding: Binding, selection: BindingSelection): SeenBinding => ({
  name: displayName(binding),
  labels: binding.labels,
  guid: binding.guid,
  match: matchReason(binding, selection),
  problems: binding.problems,
})

/** With what SKP_BINDING can name it by, should the names be the same. */
export const describeCandidate = ({ name, guid }: SeenBinding): string =>
  guid === undefined ? name : `${name} (${guid})`

/** With what SKP_SERVICE can find it by. */
const describeSeen = ({ name, labels }: SeenBinding): string =>
  `${name} (${labels.length === 0 ? 'no type or label' : labels.join(', ')})`

/** What was found at the place, in words. */
export const describeFound = ({ verdict, bindings, problems }: Attempt): string => {
  if (verdict === 'absent') return 'absent'
  if (verdict === 'broken') return problems.join('; ')
  const seen = bindings.map(describeSeen).join(', ')
  if (verdict === 'no match') {
    return seen === '' ? (problems.at(-1) ?? 'no bindings') : `no match among ${seen}`
  }
  return seen === '' ? 'a key' : seen
}
