/**
 * Folders of a mounted volume → their files, all of one generation. The kubelet changes a volume by
 * swapping the link `..data` to a new folder, after which it removes the old one file by file:
 * reading through the links could mix two keys, or miss a file of one. Pure over the file system port.
 */
import { basename, join } from 'node:path'
import { systemCode } from '../errors.ts'
import {
  codedError,
  describeCode,
  type FileKind,
  type FileSystem,
  readText,
  watchedFolder,
  type WatchedPlace,
} from './file-system.ts'

export interface MountedFolder {
  /** Names of the folders from below the root to this one; for the root itself its own. */
  readonly names: readonly string[]
  readonly files: ReadonlyMap<string, string>
  /** What could not be read, and why. */
  readonly problems: readonly string[]
  /** Where a change of the files shows. */
  readonly watch: WatchedPlace
}

type MountedFolders =
  | { readonly ok: true; readonly folders: readonly MountedFolder[] }
  | { readonly ok: false; readonly code: string }

/**
 * @param root a folder of bindings, of folders of bindings, or a binding itself
 * @returns its folders in order of their names; what cannot be read of one is told by that one
 */
export const readMountedFolders = (root: string, port: FileSystem): MountedFolders => {
  const visit = { base: root, names: [basename(root)], depth: MAX_DEPTH }
  try {
    return { ok: true, folders: readVolume(visit, port) }
  } catch (error) {
    return { ok: false, code: systemCode(error) }
  }
}

/** `<root>/<service>/<instance>` */
const MAX_DEPTH = 2

interface Visit {
  /** Where it is read from: a folder, or the generation it leads to. */
  readonly base: string
  readonly names: readonly string[]
  /** How many folders below it may be entered. */
  readonly depth: number
}

/**
 * Reads again if the volume has changed meanwhile.
 * @throws what reading throws of a volume that has not changed; UNSTABLE after three changes
 */
const readVolume = (visit: Visit, port: FileSystem): readonly MountedFolder[] => {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const base = generationIn(visit.base, port)
    try {
      const folders = readFolder({ ...visit, base }, port)
      if (generationIn(visit.base, port) === base) return folders
    } catch (error) {
      if (generationIn(visit.base, port) === base) throw error
    }
  }
  throw codedError('UNSTABLE')
}

const MAX_TRIES = 3

/** Where the files really are: where `..data` leads, or the links in the path itself. */
const generationIn = (path: string, { realPath }: FileSystem): string => {
  try {
    return realPath(join(path, '..data'))
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return realPath(path)
    throw error
  }
}

const readFolder = (visit: Visit, port: FileSystem): readonly MountedFolder[] => {
  const entries = entriesOf(visit, port)
  const declared = entries.some(({ name }) => DECLARATIONS.has(name))
  if (declared || visit.depth === 0) return [readFiles(visit, entries, port)]
  const below = entries
    .filter(({ kind }) => kind === 'directory')
    .map((entry) => ({ entry, folders: readSubfolder(entry.name, visit, port) }))
  const isRoot = visit.depth === MAX_DEPTH
  const files = entries.filter(({ kind }) => kind !== 'directory')
  const isBinding = files.length > 0 && !isRoot
  // An empty folder among files was meant to be one of them.
  const misplaced = below.filter(({ folders }) => isBinding && folders.every(isEmpty))
  const own = [...files, ...misplaced.map(({ entry }) => entry)]
  const others = below.filter((one) => !misplaced.includes(one)).flatMap(({ folders }) => folders)
  return own.length > 0 || (others.length === 0 && !isRoot)
    ? [readFiles(visit, own, port), ...others]
    : others
}

interface Entry {
  readonly name: string
  /** `undefined`: it cannot be told; reading it says why. */
  readonly kind: FileKind | undefined
}

const entriesOf = (visit: Visit, port: FileSystem): readonly Entry[] => {
  const names = port.readDirectory(visit.base).filter((name) => !name.startsWith('..'))
  if (names.length > MAX_ENTRIES) throw codedError('TOO_MANY')
  return names.toSorted().map((name) => entryOf(name, visit, port))
}

/** More than any binding has, and few enough for `/` or `/usr/bin` to be refused at once. */
const MAX_ENTRIES = 100

const entryOf = (name: string, { base }: Visit, port: FileSystem): Entry => {
  try {
    return { name, kind: port.kindOf(join(base, name)) }
  } catch {
    return { name, kind: undefined }
  }
}

/** Their presence says that a folder is a binding. */
const DECLARATIONS: ReadonlySet<string> = new Set(['type', '.metadata'])

const readFiles = (
  { base, names }: Visit,
  entries: readonly Entry[],
  port: FileSystem,
): MountedFolder => {
  const files = new Map<string, string>()
  const problems: string[] = []
  for (const { name } of entries) {
    const content = readText(join(base, name), port)
    if (content.ok) files.set(name, content.text)
    else problems.push(`file "${name}" ${content.problem}`)
  }
  return { names, files, problems, watch: watchedFolder(base) }
}

const readSubfolder = (
  name: string,
  { base, names, depth }: Visit,
  port: FileSystem,
): readonly MountedFolder[] => {
  const inner = {
    base: join(base, name),
    names: depth === MAX_DEPTH ? [name] : [...names, name],
    depth: depth - 1,
  }
  try {
    return readVolume(inner, port)
  } catch (error) {
    const problems = [describeCode(systemCode(error))]
    return [{ names: inner.names, files: new Map(), problems, watch: watchedFolder(inner.base) }]
  }
}

const isEmpty = ({ files, problems }: MountedFolder): boolean => files.size + problems.length === 0
