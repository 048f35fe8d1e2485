/** Which of the bindings at a place is the one: what was seen there, and whether the search ends. Pure. */
import { quotedInput } from '../config/setting-types.ts'
import { type Binding, fieldAt, isJsonObject } from './binding.ts'
import type { WatchedPlace } from './file-system.ts'
import type { LoneKey, Place } from './places.ts'

export interface BindingSelection {
  /** SKP_SERVICE */
  readonly service: string
  /** SKP_BINDING */
  readonly binding: string | undefined
  /** SKP_TARGET; with `clientid` it is the shape that identifies a user-provided service. */
  readonly target: string
}

/** Where a key was found; what is common to it before and after parsing. */
export interface Origin {
  readonly ok: true
  /** The place and binding in words: `VCAP_SERVICES, binding "intas"`. */
  readonly origin: string
  /** Why this binding, in words. */
  readonly reason: string
  /**
   * Where a change of the key shows; nowhere if it cannot change in a running process. To read it
   * again, search again with the same options.
   */
  readonly watch: readonly WatchedPlace[]
  /** What could not be read beside the key. */
  readonly warnings: readonly string[]
}

export interface Refusal {
  readonly ok: false
  /** `unbound`: none or several bindings match; `invalid`: what was found cannot be used. */
  readonly reason: 'unbound' | 'invalid'
  readonly problems: readonly string[]
}

/** What was seen at one place, as data without credentials; error texts and `check` print it. */
export interface SeenPlace {
  /** `SERVICE_BINDING_ROOT /bindings` */
  readonly place: string
  readonly verdict: 'absent' | 'broken' | 'no match' | 'ambiguous' | 'chosen'
  readonly bindings: readonly SeenBinding[]
  /** What is wrong with the place itself, or with the one key in it. */
  readonly problems: readonly string[]
}

interface SeenBinding {
  /** Quoted. */
  readonly name: string
  readonly labels: readonly string[]
  readonly guid: string | undefined
  /** Why it matches; `undefined`: it does not. */
  readonly match: string | undefined
  readonly problems: readonly string[]
}

interface Selected {
  readonly seen: SeenPlace
  /** `undefined`: the search goes on. */
  readonly outcome: (Origin & { readonly credentials: unknown }) | Refusal | undefined
}

export const selectAt = (place: Place, selection: BindingSelection): Selected => {
  const seen = { place: place.name, bindings: [], problems: [] }
  switch (place.kind) {
    case 'absent':
      return { seen: { ...seen, verdict: 'absent' }, outcome: undefined }
    case 'broken': {
      const problems = [place.problem]
      return {
        seen: { ...seen, verdict: 'broken', problems },
        outcome: refusal('invalid', withOrigin(place.name, problems)),
      }
    }
    case 'key':
      return selectLoneKey(place, selection)
    case 'bindings':
      return selectBinding(place, selection)
  }
}

/** What was found at the place, in words. */
export const describeFound = ({ verdict, bindings, problems }: SeenPlace): string => {
  if (verdict === 'absent') return 'absent'
  if (verdict === 'broken') return problems.join('; ')
  const seen = bindings.map(describeSeen).join(', ')
  if (verdict === 'no match') {
    return seen === '' ? (problems.at(-1) ?? 'no bindings') : `no match among ${seen}`
  }
  return seen === '' ? 'a key' : seen
}

export const withOrigin = (origin: string, problems: readonly string[]): readonly string[] =>
  problems.map((problem) => `${origin}: ${problem}`)

/** With what SKP_SERVICE can find it by. */
const describeSeen = ({ name, labels }: SeenBinding): string =>
  `${name} (${labels.length === 0 ? 'no type or label' : labels.join(', ')})`

const refusal = (reason: Refusal['reason'], problems: readonly string[]): Refusal => ({
  ok: false,
  reason,
  problems,
})

/** Whoever asks for a name must not get just any key: two routes could end at one tenant. */
const selectLoneKey = (
  { name, key }: Extract<Place, { kind: 'key' }>,
  { binding }: BindingSelection,
): Selected => {
  const seen = { place: name, bindings: [] }
  if (binding === undefined || key.names.includes(binding)) {
    return {
      seen: { ...seen, verdict: 'chosen', problems: key.problems },
      outcome: found(name, 'it is the only key there', key),
    }
  }
  const [called] = key.names
  const naming = called === undefined ? 'has no name' : `is called ${quotedInput(called)}`
  const asked = `${quotedInput(binding)} is asked for (SKP_BINDING or SKP_MOUNTS)`
  const problem = `the one key there ${naming}, and ${asked}`
  return {
    seen: { ...seen, verdict: 'no match', problems: [...key.problems, problem] },
    outcome: refusal('unbound', withOrigin(name, [problem])),
  }
}

const found = (
  origin: string,
  reason: string,
  { credentials, problems, watch }: Omit<LoneKey, 'names'>,
): Selected['outcome'] => ({
  ok: true,
  origin,
  reason,
  credentials,
  watch,
  warnings: withOrigin(origin, problems),
})

const selectBinding = (
  { name, bindings }: Extract<Place, { kind: 'bindings' }>,
  selection: BindingSelection,
): Selected => {
  const candidates = bindings.map((binding) => ({
    binding,
    match: matchReason(binding, selection),
  }))
  const seen = {
    place: name,
    bindings: candidates.map(({ binding, match }) => seenBinding(binding, match)),
    problems: [],
  }
  const matches = candidates.flatMap(({ binding, match }) =>
    match === undefined ? [] : [{ binding, match }],
  )
  const [chosen, ...others] = matches
  if (chosen === undefined) {
    return { seen: { ...seen, verdict: 'no match' }, outcome: noMatch(name, bindings) }
  }
  if (others.length === 0) {
    const origin = `${name}, binding ${displayName(chosen.binding)}`
    const outcome = found(origin, chosen.match, chosen.binding)
    return { seen: { ...seen, verdict: 'chosen' }, outcome }
  }
  const several = matches.map(({ binding }) => describeCandidate(binding)).join(', ')
  const problem = `${name}: several bindings match (${several}); name one with SKP_BINDING`
  return { seen: { ...seen, verdict: 'ambiguous' }, outcome: refusal('unbound', [problem]) }
}

/** Why the selection accepts a binding, in words; `undefined`: it does not. */
const matchReason = (
  { names, labels, guid, userProvided, credentials }: Binding,
  { service, binding, target }: BindingSelection,
): string | undefined => {
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

const hasShape = (credentials: unknown, target: string): boolean =>
  isJsonObject(credentials) &&
  fieldAt(credentials, target) !== undefined &&
  (fieldAt(credentials, 'clientid') ?? fieldAt(credentials, 'uaa.clientid')) !== undefined

const seenBinding = (binding: Binding, match: string | undefined): SeenBinding => ({
  name: displayName(binding),
  labels: binding.labels,
  guid: binding.guid,
  match,
  problems: binding.problems,
})

const displayName = ({ names, labels }: Binding): string =>
  JSON.stringify(names[0] ?? labels[0] ?? 'unnamed')

/** A user-provided one that could not be read might be the one that is wanted. */
const noMatch = (name: string, bindings: readonly Binding[]): Refusal | undefined => {
  const problems = bindings
    .filter(({ userProvided }) => userProvided)
    .flatMap((binding) => withOrigin(`${name}, binding ${displayName(binding)}`, binding.problems))
  return problems.length === 0 ? undefined : refusal('invalid', problems)
}

/** With what SKP_BINDING can name it by, should the names be the same. */
const describeCandidate = (binding: Binding): string =>
  displayName(binding) + (binding.guid === undefined ? '' : ` (${binding.guid})`)
