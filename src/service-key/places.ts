/** The places where a key can be, in the order in which they count. Pure over the file system port. */
import { systemCode } from '../errors.ts'
import type { Binding } from './binding.ts'
import {
  describeCode,
  type FileSystem,
  readText,
  watchedFile,
  type WatchedPlace,
} from './file-system.ts'
import { folderBinding } from './folder-binding.ts'
import { readKeyFile, readVcapServices } from './json-bindings.ts'
import { readMountedFolders } from './mounted-folders.ts'

export interface PlacesOptions {
  /** SKP_KEY_FILE */
  readonly keyFile: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly files: FileSystem
}

/** A key that needs no selection, because its place holds nothing else. One in a file has no name. */
export type LoneKey = Pick<Binding, 'names' | 'credentials' | 'problems' | 'watch'>

/** What is at a place. `name` is how the user knows it. */
export type Place =
  | { readonly kind: 'absent'; readonly name: string }
  | { readonly kind: 'broken'; readonly name: string; readonly problem: string }
  | { readonly kind: 'key'; readonly name: string; readonly key: LoneKey }
  | { readonly kind: 'bindings'; readonly name: string; readonly bindings: readonly Binding[] }

/** Each is looked at only when the one before has been passed over. */
export const placesInOrder = function* (options: PlacesOptions): Generator<Place> {
  const { environment, keyFile, files } = options
  if (keyFile !== undefined) {
    yield keyFilePlace(keyFile, files)
    return
  }
  const path = environment['VCAP_SERVICES_FILE_PATH']
  if (path) yield vcapFilePlace(path, files)
  else yield { kind: 'absent', name: 'VCAP_SERVICES_FILE_PATH' }
  const services = environment['VCAP_SERVICES']
  if (services) yield vcapPlace('VCAP_SERVICES', services, [])
  else yield { kind: 'absent', name: 'VCAP_SERVICES' }
  yield* mountPlaces(environment['SERVICE_BINDING_ROOT'] ?? '', files)
  yield defaultEnvPlace(files)
}

/** A key file, or the folder of a mounted Secret: if that is one binding, it is the key. */
const keyFilePlace = (path: string, files: FileSystem): Place => {
  const name = placeName('SKP_KEY_FILE', path)
  const found = kindOf(path, files)
  if ('code' in found) return unreadable(name, found.code)
  if (found.kind !== 'directory') return filePlace(name, path, files)
  const place = folderPlace(name, path, files)
  if (place.kind !== 'bindings') return place
  const [key, ...others] = place.bindings
  return key === undefined || others.length > 0 ? place : { kind: 'key', name, key }
}

const vcapFilePlace = (path: string, files: FileSystem): Place => {
  const name = placeName('VCAP_SERVICES_FILE_PATH', path)
  const file = readText(path, files)
  return file.ok
    ? vcapPlace(name, file.text, watchedFile(path, files))
    : { kind: 'broken', name, problem: file.problem }
}

const vcapPlace = (name: string, text: string, watch: readonly WatchedPlace[]): Place => {
  const services = readVcapServices(text, watch)
  return services.ok
    ? { kind: 'bindings', name, bindings: services.bindings }
    : { kind: 'broken', name, problem: services.problem }
}

const mountPlaces = function* (root: string, files: FileSystem): Generator<Place> {
  if (root === '') yield { kind: 'absent', name: 'SERVICE_BINDING_ROOT' }
  else yield folderPlace(placeName('SERVICE_BINDING_ROOT', root), root, files)
  for (const path of KNOWN_ROOTS) {
    if (root.replace(/\/+$/, '') !== path) yield folderPlace(path, path, files)
  }
}

/** Of the Helm charts of CAP, of @sap/xsenv, and of the Java libraries of SAP. */
const KNOWN_ROOTS = ['/bindings', '/etc/secrets/sapcp', '/etc/secrets/sapbtp']

/** Found by its name and not by a setting, so it may also be about something else altogether. */
const defaultEnvPlace = (files: FileSystem): Place => {
  const found = kindOf(DEFAULT_ENV, files)
  if ('code' in found) {
    return found.code === 'ENOENT'
      ? { kind: 'absent', name: `${DEFAULT_ENV} in the working directory` }
      : unreadable(DEFAULT_ENV, found.code)
  }
  const place = filePlace(DEFAULT_ENV, DEFAULT_ENV, files)
  return place.kind === 'key' ? { kind: 'bindings', name: DEFAULT_ENV, bindings: [] } : place
}

const DEFAULT_ENV = 'default-env.json'

/** The variable and its path; not what is obviously no path but a key pasted in its place. */
const placeName = (variable: string, path: string): string =>
  /[{}"\n]/.test(path) ? `${variable} (must be a path)` : `${variable} ${path}`

const kindOf = (path: string, files: FileSystem) => {
  try {
    return { kind: files.kindOf(path) }
  } catch (error) {
    return { code: systemCode(error) }
  }
}

const unreadable = (name: string, code: string): Place => ({
  kind: 'broken',
  name,
  problem: describeCode(code),
})

const filePlace = (name: string, path: string, files: FileSystem): Place => {
  const file = readText(path, files)
  if (!file.ok) return { kind: 'broken', name, problem: file.problem }
  const watch = watchedFile(path, files)
  const content = readKeyFile(file.text, watch)
  if (content.kind === 'invalid') return { kind: 'broken', name, problem: content.problem }
  if (content.kind === 'bindings') return { ...content, name }
  return {
    kind: 'key',
    name,
    key: { names: [], credentials: content.credentials, problems: [], watch },
  }
}

const folderPlace = (name: string, path: string, files: FileSystem): Place => {
  const read = readMountedFolders(path, files)
  if (read.ok) return { kind: 'bindings', name, bindings: read.folders.map(folderBinding) }
  return read.code === 'ENOENT' ? { kind: 'absent', name } : unreadable(name, read.code)
}
