/**
 * VCAP_SERVICES text → bindings. Pure.
 * Format: Cloud Foundry docs, "App environment variables", VCAP_SERVICES.
 */
import { texts, type Binding } from './binding.ts'
import { isJsonObject, parseJsonObject, type JsonObject } from './json-document.ts'
import type { WatchedPlace } from './one-generation.ts'

export type VcapServices =
  | { readonly ok: true; readonly bindings: readonly Binding[] }
  | { readonly ok: false; readonly problem: string }

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

export const readVcapServices = (
  text: string,
  watch: readonly WatchedPlace[] = [],
): VcapServices => {
  const services = parseJsonObject(text)
  return services === undefined
    ? { ok: false, problem: 'is not a JSON object' }
    : { ok: true, bindings: vcapBindings(services, watch) }
}
