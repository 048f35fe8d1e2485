/**
 * The ordered search for the service key. The first place that holds a match wins; a place that is
 * named but broken ends the search, because going on could pick another tenant's key.
 */
import { describeFound, type Attempt } from './attempt.ts'
import type { BindingSelection } from './binding.ts'
import { judge, withOrigin, type Origin, type Refusal } from './judgement.ts'
import { placesInOrder, type PlacesOptions } from './places.ts'
import { parseServiceKey, type ServiceKey, type ServiceKeyOptions } from './service-key.ts'
import { quotedInput } from '../quoted-input.ts'

export interface SearchOptions extends BindingSelection, PlacesOptions {}

export interface LocateOptions extends SearchOptions, ServiceKeyOptions {}

interface Search {
  /** Every place looked at, in order; the last one decided. */
  readonly attempts: readonly Attempt[]
}

/** Credentials as they were delivered; `parseServiceKey` makes a key of them, for any target. */
export interface FoundCredentials extends Origin, Search {
  readonly credentials: unknown
}

export interface FoundKey extends Origin, Search {
  readonly key: ServiceKey
}

export interface MissingKey extends Refusal, Search {
  /** Where nothing was found: the problem without the places, for whoever prints `attempts`. */
  readonly wanted?: string
}

const unbound = (
  attempts: readonly Attempt[],
  { binding, service }: BindingSelection,
): MissingKey => {
  const wanted =
    binding === undefined
      ? `no binding of SKP_SERVICE=${quotedInput(service)} found`
      : `no binding named ${quotedInput(binding)} (SKP_BINDING or SKP_MOUNTS) found`
  const tried = attempts.map((attempt) => `${attempt.place} (${describeFound(attempt)})`)
  const problem = `${wanted}; looked at ${tried.join('; ')}`
  return { ok: false, reason: 'unbound', problems: [problem], wanted, attempts }
}

/** The credentials of one binding, unparsed, and every place that was looked at. */
export const locateCredentials = (options: SearchOptions): FoundCredentials | MissingKey => {
  const attempts: Attempt[] = []
  for (const place of placesInOrder(options)) {
    const { attempt, outcome } = judge(place, options)
    attempts.push(attempt)
    if (outcome !== undefined) return { ...outcome, attempts }
  }
  return unbound(attempts, options)
}

/**
 * Places in order: SKP_KEY_FILE, VCAP_SERVICES_FILE_PATH, VCAP_SERVICES, SERVICE_BINDING_ROOT,
 * /bindings, /etc/secrets/sapcp, /etc/secrets/sapbtp, default-env.json.
 */
export const locateServiceKey = (options: LocateOptions): FoundKey | MissingKey => {
  const located = locateCredentials(options)
  if (!located.ok) return located
  const { credentials, ...rest } = located
  const parsed = parseServiceKey(credentials, options)
  if (parsed.ok) return { ...rest, key: parsed.key }
  const problems = [...rest.warnings, ...withOrigin(rest.origin, parsed.problems)]
  return { ok: false, reason: 'invalid', problems, attempts: rest.attempts }
}
