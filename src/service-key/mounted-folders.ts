/** Folders of a mounted volume → their files, read together. Pure over the file system port. */
import { basename, dirname, join } from 'node:path'
import { systemCode } from '../errors.ts'

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

/* FOLDED:
 * The file system as readers of keys see it: an argument, so that they stay free of I/O of their
 * own. What goes wrong becomes words that never repeat what a file holds.
 */

export type FileKind = 'file' | 'directory' | 'other'

/** Links are followed. Each throws an error with a `code` such as ENOENT. */
export interface FileSystem {
  readonly kindOf: (path: string) => FileKind
  /** UTF-8. @throws EFBIG above `MAX_FILE_BYTES` */
  readonly readFile: (path: string) => string
  /** Names without their folder, in any order. */
  readonly readDirectory: (path: string) => readonly string[]
  readonly realPath: (path: string) => string
}

/** What a Kubernetes Secret, and the VCAP file of Cloud Foundry, can hold at most. */
export const MAX_FILE_BYTES = 1024 ** 2

/** Completes a sentence that begins with the path. */
export const describeCode = (code: string): string => PROBLEMS[code] ?? `cannot be read (${code})`

export const codedError = (code: string): Error => Object.assign(new Error(code), { code })

type FileText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: string; readonly problem: string }

export const readText = (path: string, { readFile }: FileSystem): FileText => {
  try {
    const text = readFile(path)
    return BINARY.test(text) ? unreadableText('NOT_TEXT') : { ok: true, text }
  } catch (error) {
    return unreadableText(systemCode(error))
  }
}

/* FOLDED:
 * Reads a mounted volume so that all of it is of one generation. The kubelet changes a volume by
 * swapping the link `..data` to a new folder, after which it removes the old one file by file:
 * reading through the links could mix two keys, or miss a file of one.
 */

/** Where a change of a key shows. */
export interface WatchedPlace {
  /** What is watched: a watch on a file goes deaf once the file is replaced. */
  readonly directory: string
  /** The one file in it that matters, beside the links of a volume; without it all do. */
  readonly file?: string
}

/** Where the file is, and where it leads if it is a link to elsewhere. */
export const watchedFile = (path: string, { realPath }: FileSystem): readonly WatchedPlace[] => {
  try {
    const link = { directory: volumeOf(realPath(dirname(path))), file: basename(path) }
    const real = realPath(path)
    const target = { directory: volumeOf(dirname(real)), file: basename(real) }
    return link.directory === target.directory && link.file === target.file
      ? [link]
      : [link, target]
  } catch {
    return [{ directory: dirname(path), file: basename(path) }]
  }
}

/** `<root>/<service>/<instance>` */
const MAX_DEPTH = 2

const readVolume = (visit: Visit, port: FileSystem): readonly MountedFolder[] =>
  readOneGeneration(visit.base, port, (base) => readFolder({ ...visit, base }, port))

interface Visit {
  /** Where it is read from: the generation. */
  readonly base: string
  readonly names: readonly string[]
  /** How many folders below it may be entered. */
  readonly depth: number
}

/**
 * @param read is told where to read. It is called again if the volume has changed meanwhile.
 * @throws what `read` throws of a volume that has not changed; UNSTABLE after three changes
 */
const readOneGeneration = <T>(path: string, files: FileSystem, read: (base: string) => T): T => {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const base = generationIn(path, files)
    try {
      const result = read(base)
      if (generationIn(path, files) === base) return result
    } catch (error) {
      if (generationIn(path, files) === base) throw error
    }
  }
  throw codedError('UNSTABLE')
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

const entriesOf = (visit: Visit, files: FileSystem): readonly Entry[] => {
  const names = files.readDirectory(visit.base).filter((name) => !name.startsWith('..'))
  if (names.length > MAX_ENTRIES) throw codedError('TOO_MANY')
  return names.toSorted().map((name) => entryOf(name, visit, files))
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
  for (const entry of entries) {
    const content = readEntry(entry, base, port)
    if (content.ok) files.set(entry.name, content.text)
    else problems.push(`file "${entry.name}" ${content.problem}`)
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
    return [unreadable(inner, describeCode(systemCode(error)))]
  }
}

const isEmpty = ({ files, problems }: MountedFolder): boolean => files.size + problems.length === 0

interface Entry {
  readonly name: string
  /** `undefined`: it cannot be told; reading it says why. */
  readonly kind: FileKind | undefined
}

/** More than any binding has, and few enough for `/` or `/usr/bin` to be refused at once. */
const MAX_ENTRIES = 100

const entryOf = (name: string, { base }: Visit, files: FileSystem): Entry => {
  try {
    return { name, kind: files.kindOf(join(base, name)) }
  } catch {
    return { name, kind: undefined }
  }
}

const readEntry = ({ name, kind }: Entry, base: string, port: FileSystem): FileText => {
  if (kind === 'directory') return unreadableText('EISDIR')
  return kind === 'other' ? unreadableText('NOT_REGULAR') : readText(join(base, name), port)
}

/** @param folder with all links resolved, as `readOneGeneration` tells it */
const watchedFolder = (folder: string): WatchedPlace => ({ directory: volumeOf(folder) })

const unreadableText = (code: string): FileText => ({
  ok: false,
  code,
  problem: describeCode(code),
})

/** Of a volume it is the folder with `..data`, because a generation itself is never changed. */
const volumeOf = (realPath: string): string =>
  /^(.*?)[/\\]\.\.[^/\\]/.exec(realPath)?.[1] ?? realPath

const unreadable = ({ names, base }: Visit, problem: string): MountedFolder => ({
  names,
  files: new Map(),
  problems: [problem],
  watch: watchedFolder(base),
})

const PROBLEMS: Readonly<Record<string, string>> = {
  EFBIG: 'is larger than 1 MB',
  EISDIR: 'is a directory, not a file',
  ELOOP: 'is a link that leads back to itself (ELOOP)',
  NOT_TEXT: 'is not UTF-8 text',
  NOT_REGULAR: 'is no regular file',
  ENOTDIR: 'is not a folder (ENOTDIR)',
  TOO_MANY: 'has more entries than a binding has',
  UNSTABLE: 'changes faster than it can be read',
}

/** NUL, and what the decoder puts in place of bytes that are not UTF-8. */
const BINARY = /[\0\uFFFD]/
