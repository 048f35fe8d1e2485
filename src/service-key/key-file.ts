/** Text of a key file → the credentials in it, or the bindings of a `default-env.json`. Pure. */
import type { Binding } from './binding.ts'
import { isJsonObject, parseJsonObject } from './json-document.ts'
import { readVcapServices, vcapBindings } from './vcap-services.ts'
import type { WatchedPlace } from './one-generation.ts'

export type KeyFile =
  | { readonly kind: 'credentials'; readonly credentials: unknown }
  | { readonly kind: 'bindings'; readonly bindings: readonly Binding[] }
  | { readonly kind: 'invalid'; readonly problem: string }

/** `cf service-key` prints a line of words before the JSON and `OK` after it. */
const jsonPart = (text: string): string => {
  const start = text.indexOf('{')
  return start === -1 ? text : text.slice(start, text.lastIndexOf('}') + 1)
}

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
