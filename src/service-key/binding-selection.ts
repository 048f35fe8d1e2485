/** Place and selection → what was seen there, and the end of the search if this is it. Pure. */
import { quotedInput } from '../config/setting-types.ts'
import {
  type Binding,
  type BindingSelection,
  displayName,
  matchingBindings,
  matchReason,
} from './binding.ts'
import type { WatchedPlace } from './mounted-folders.ts'
import type { LoneKey, Place } from './places.ts'

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

export const withOrigin = (origin: string, problems: readonly string[]): readonly string[] =>
  problems.map((problem) => `${origin}: ${problem}`)

interface Judgement {
  readonly attempt: Attempt
  /** `undefined`: the search goes on. */
  readonly outcome: Outcome | undefined
}

export const judge = (place: Place, selection: BindingSelection): Judgement => {
  const { name } = place
  const attempt = { place: name, bindings: [], problems: [] }
  switch (place.kind) {
    case 'absent':
      return { attempt: { ...attempt, verdict: 'absent' }, outcome: undefined }
    case 'broken': {
      const problems = withOrigin(name, [place.problem])
      return {
        attempt: { ...attempt, verdict: 'broken', problems: [place.problem] },
        outcome: { ok: false, reason: 'invalid', problems },
      }
    }
    case 'key':
      return judgeLoneKey(place, selection)
    case 'bindings':
      return judgeBindings(place, selection)
  }
}

export interface Attempt {
  /** `SERVICE_BINDING_ROOT /bindings` */
  readonly place: string
  readonly verdict: 'absent' | 'broken' | 'no match' | 'ambiguous' | 'chosen'
  readonly bindings: readonly SeenBinding[]
  /** What is wrong with the place itself, or with the one key in it. */
  readonly problems: readonly string[]
}

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

type Outcome = (Origin & { readonly credentials: unknown }) | Refusal

/** Whoever asks for a name must not get just any key: two routes could end at one tenant. */
const judgeLoneKey = (
  { name, key }: Extract<Place, { kind: 'key' }>,
  { binding }: BindingSelection,
): Judgement => {
  const attempt = { place: name, bindings: [], problems: key.problems }
  if (binding === undefined || key.names.includes(binding)) {
    const outcome = found(name, 'it is the only key there', key)
    return { attempt: { ...attempt, verdict: 'chosen' }, outcome }
  }
  const [called] = key.names
  const naming = called === undefined ? 'has no name' : `is called ${quotedInput(called)}`
  const asked = `${quotedInput(binding)} is asked for (SKP_BINDING or SKP_MOUNTS)`
  const problem = `the one key there ${naming}, and ${asked}`
  return {
    attempt: { ...attempt, verdict: 'no match', problems: [...key.problems, problem] },
    outcome: { ok: false, reason: 'unbound', problems: withOrigin(name, [problem]) },
  }
}

const judgeBindings = (
  { name, bindings }: Extract<Place, { kind: 'bindings' }>,
  selection: BindingSelection,
): Judgement => {
  const seen = bindings.map((binding) => seenBinding(binding, selection))
  const attempt = { place: name, bindings: seen, problems: [] }
  const [match, ...others] = matchingBindings(bindings, selection)
  if (match === undefined) {
    return { attempt: { ...attempt, verdict: 'no match' }, outcome: noMatch(name, bindings) }
  }
  if (others.length === 0) {
    const origin = `${name}, binding ${displayName(match)}`
    const reason = matchReason(match, selection) as string
    return { attempt: { ...attempt, verdict: 'chosen' }, outcome: found(origin, reason, match) }
  }
  const candidates = seen.filter(({ match }) => match !== undefined).map(describeCandidate)
  const problem = `${name}: several bindings match (${candidates.join(', ')}); name one with SKP_BINDING`
  return {
    attempt: { ...attempt, verdict: 'ambiguous' },
    outcome: { ok: false, reason: 'unbound', problems: [problem] },
  }
}

const found = (
  origin: string,
  reason: string,
  { credentials, problems, watch }: Omit<LoneKey, 'names'>,
): Outcome => ({
  ok: true,
  origin,
  reason,
  credentials,
  watch,
  warnings: withOrigin(origin, problems),
})

const seenBinding = (binding: Binding, selection: BindingSelection): SeenBinding => ({
  name: displayName(binding),
  labels: binding.labels,
  guid: binding.guid,
  match: matchReason(binding, selection),
  problems: binding.problems,
})

const noMatch = (name: string, bindings: readonly Binding[]): Outcome | undefined => {
  const problems = bindings
    .filter(isDoubtful)
    .flatMap((binding) => withOrigin(`${name}, binding ${displayName(binding)}`, binding.problems))
  return problems.length === 0 ? undefined : { ok: false, reason: 'invalid', problems }
}

/** With what SKP_BINDING can name it by, should the names be the same. */
const describeCandidate = ({ name, guid }: SeenBinding): string =>
  guid === undefined ? name : `${name} (${guid})`

/* FOLDED: What the search for a key saw at one place, as data; error texts, logs and `check` print it. Pure. */

/** A binding without its credentials. */
interface SeenBinding {
  /** Quoted. */
  readonly name: string
  readonly labels: readonly string[]
  readonly guid: string | undefined
  /** Why it matches; `undefined`: it does not. */
  readonly match: string | undefined
  readonly problems: readonly string[]
}

/** It might be the one that is wanted, had it been readable. */
const isDoubtful = ({ userProvided, problems }: Binding): boolean =>
  userProvided && problems.length > 0

/** With what SKP_SERVICE can find it by. */
const describeSeen = ({ name, labels }: SeenBinding): string =>
  `${name} (${labels.length === 0 ? 'no type or label' : labels.join(', ')})`
