/**
 * VCAP_SERVICES text → bindings. Pure.
 * Format: Cloud Foundry docs, "App environment variables", VCAP_SERVICES.
 */
import { type Binding, isJsonObject, type JsonObject, parseJsonObject, texts } from './binding.ts'
import type { WatchedPlace } from './mounted-folders.ts'

/**
 * Bindings of an already parsed VCAP_SERVICES; entries that are no objects are passed over.
 * @param watch where a change of the text shows, if it comes from a file
 */
export const vcapBindings = (
  services: JsonObject,
  watch: readonly WatchedPlace[] = [],
): readonly Binding[] =>
  Object.entries(services).flatMap(([offering, entries]) =>
    Array.isArray(entries)
      ? entries.filter(isJsonObject).map((entry) => toBinding(offering, entry, watch))
      : [],
  )

type VcapServices =
  | { readonly ok: true; readonly bindings: readonly Binding[] }
  | { readonly ok: false; readonly problem: string }

export const readVcapServices = (
  text: string,
  watch: readonly WatchedPlace[] = [],
): VcapServices => {
  const services = parseJsonObject(text)
  return services === undefined
    ? { ok: false, problem: 'is not a JSON object' }
    : { ok: true, bindings: vcapBindings(services, watch) }
}

/* FOLDED: Text of a key file → the credentials in it, or the bindings of a `default-env.json`. Pure. */

type KeyFile =
  | { readonly kind: 'credentials'; readonly credentials: unknown }
  | { readonly kind: 'bindings'; readonly bindings: readonly Binding[] }
  | { readonly kind: 'invalid'; readonly problem: string }

/** @param watch where a change of the file shows */
export const readKeyFile = (text: string, watch: readonly WatchedPlace[] = []): KeyFile => {
  const document = parseJsonObject(jsonPart(text))
  if (document === undefined) return { kind: 'invalid', problem: 'is not a JSON object' }
  const services = document['VCAP_SERVICES']
  if (isJsonObject(services)) {
    return { kind: 'bindings', bindings: vcapBindings(services, watch) }
  }
  if (typeof services === 'string') {
    const parsed = readVcapServices(services, watch)
    return parsed.ok
      ? { kind: 'bindings', bindings: parsed.bindings }
      : { kind: 'invalid', problem: `field "VCAP_SERVICES" ${parsed.problem}` }
  }
  return { kind: 'credentials', credentials: document['credentials'] ?? document }
}

const toBinding = (
  offering: string,
  entry: JsonObject,
  watch: readonly WatchedPlace[],
): Binding => {
  const tags = Array.isArray(entry['tags']) ? (entry['tags'] as readonly unknown[]) : []
  return {
    names: [...new Set(texts([entry['binding_name'], entry['name'], entry['instance_name']]))],
    labels: [...new Set([offering, ...texts([entry['label'], ...tags])])],
    guid: texts([entry['binding_guid']])[0],
    userProvided: offering === 'user-provided',
    credentials: entry['credentials'],
    problems: [],
    watch,
  }
}

/** `cf service-key` prints a line of words before the JSON and `OK` after it. */
const jsonPart = (text: string): string => {
  const start = text.indexOf('{')
  return start === -1 ? text : text.slice(start, text.lastIndexOf('}') + 1)
}
