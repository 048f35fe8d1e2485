/**
 * Text of JSON → the bindings of VCAP_SERVICES, or the credentials in a key file. Pure.
 * Format: Cloud Foundry docs, "App environment variables", VCAP_SERVICES.
 */
import {
  asObject,
  type Binding,
  isJsonObject,
  type JsonObject,
  parseJsonObject,
  texts,
} from './binding.ts'
import { describeCode, isTooDeep, type WatchedPlace } from './file-system.ts'

type VcapServices =
  | { readonly ok: true; readonly bindings: readonly Binding[] }
  | { readonly ok: false; readonly problem: string }

/** @param watch where a change of the text shows, if it comes from a file */
export const readVcapServices = (
  text: string,
  watch: readonly WatchedPlace[] = [],
): VcapServices => {
  if (isTooDeep(text)) return { ok: false, problem: describeCode('TOO_DEEP') }
  const services = parseJsonObject(text)
  return services === undefined
    ? { ok: false, problem: 'is not a JSON object' }
    : { ok: true, bindings: vcapBindings(services, watch) }
}

type KeyFile =
  | { readonly kind: 'credentials'; readonly credentials: unknown }
  /** Of a `default-env.json`. */
  | { readonly kind: 'bindings'; readonly bindings: readonly Binding[] }
  | { readonly kind: 'invalid'; readonly problem: string }

/** @param watch where a change of the file shows */
export const readKeyFile = (text: string, watch: readonly WatchedPlace[] = []): KeyFile => {
  const document = parseJsonObject(jsonPart(text))
  if (document === undefined) return { kind: 'invalid', problem: 'is not a JSON object' }
  const services = document['VCAP_SERVICES']
  if (typeof services !== 'string' && !isJsonObject(services)) {
    return { kind: 'credentials', credentials: document['credentials'] ?? document }
  }
  const parsed = asObject(services)
  return parsed === undefined
    ? { kind: 'invalid', problem: 'field "VCAP_SERVICES" is not a JSON object' }
    : { kind: 'bindings', bindings: vcapBindings(parsed, watch) }
}

/** Entries that are no objects are passed over. */
const vcapBindings = (services: JsonObject, watch: readonly WatchedPlace[]): readonly Binding[] =>
  Object.entries(services).flatMap(([offering, entries]) =>
    Array.isArray(entries)
      ? entries.filter(isJsonObject).map((entry) => toBinding(offering, entry, watch))
      : [],
  )

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
