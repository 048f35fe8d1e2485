/** Folders of a mounted volume → their files, read together. Pure over the file system port. */
import { basename, join } from 'node:path'
import { systemCode } from '../errors.ts'
import {
  codedError,
  describeCode,
  readText,
  unreadableText,
  type FileKind,
  type FileSystem,
  type FileText,
} from './file-system.ts'
import { readOneGeneration, watchedFolder, type WatchedPlace } from './one-generation.ts'

export interface MountedFolder {
  /** Names of the folders from below the root to this one; for the root itself its own. */
  readonly names: readonly string[]
  readonly files: ReadonlyMap<string, string>
  /** What could not be read, and why. */
  readonly problems: readonly string[]
  /** Where a change of the files shows. */
  readonly watch: WatchedPlace
}

interface Visit {
  /** Where it is read from: the generation. */
  readonly base: string
  readonly names: readonly string[]
  /** How many folders below it may be entered. */
  readonly depth: number
}

interface Entry {
  readonly name: string
  /** `undefined`: it cannot be told; reading it says why. */
  readonly kind: FileKind | undefined
}

/** More than any binding has, and few enough for `/` or `/usr/bin` to be refused at once. */
const MAX_ENTRIES = 100
/** `<root>/<service>/<instance>` */
const MAX_DEPTH = 2

const entryOf = (name: string, { base }: Visit, files: FileSystem): Entry => {
  try {
    return { name, kind: files.kindOf(join(base, name)) }
  } catch {
    return { name, kind: undefined }
  }
}

const entriesOf = (visit: Visit, files: FileSystem): readonly Entry[] => {
  const names = files.readDirectory(visit.base).filter((name) => !name.startsWith('..'))
  if (names.length > MAX_ENTRIES) throw codedError('TOO_MANY')
  return names.toSorted().map((name) => entryOf(name, visit, files))
}

const unreadable = ({ names, base }: Visit, problem: string): MountedFolder => ({
  names,
  files: new Map(),
  problems: [problem],
  watch: watchedFolder(base),
})

const readEntry = ({ name, kind }: Entry, base: string, port: FileSystem): FileText => {
  if (kind === 'directory') return unreadableText('EISDIR')
  return kind === 'other' ? unreadableText('NOT_REGULAR') : readText(join(base, name), port)
}

const readFiles = (
  { base, names }: Visit,
  entries: readonly Entry[],
  port: FileSystem,
): MountedFolder => {
  const files = new Map<string, string>()
  const problems: string[] = []
  for (const entry of entries) {
    const content = readEntry(entry, base, port)
    if (content.ok) files.set(entry.name, content.text)
    else problems.push(`file "${entry.name}" ${content.problem}`)
  }
  return { names, files, problems, watch: watchedFolder(base) }
}

const isEmpty = ({ files, problems }: MountedFolder): boolean => files.size + problems.length === 0

/** Their presence says that a folder is a binding. */
const DECLARATIONS: ReadonlySet<string> = new Set(['type', '.metadata'])

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
    return [unreadable(inner, describeCode(systemCode(error)))]
  }
}

const readVolume = (visit: Visit, port: FileSystem): readonly MountedFolder[] =>
  readOneGeneration(visit.base, port, (base) => readFolder({ ...visit, base }, port))

export type MountedFolders =
  | { readonly ok: true; readonly folders: readonly MountedFolder[] }
  | { readonly ok: false; readonly code: string; readonly problem: string }

/**
 * @param root a folder of bindings, of folders of bindings, or a binding itself
 * @returns its folders in order of their names; what cannot be read of one is told by that one
 */
export const readMountedFolders = (root: string, port: FileSystem): MountedFolders => {
  const visit = { base: root, names: [basename(root)], depth: MAX_DEPTH }
  try {
    return { ok: true, folders: readVolume(visit, port) }
  } catch (error) {
    const code = systemCode(error)
    return { ok: false, code, problem: describeCode(code) }
  }
}
