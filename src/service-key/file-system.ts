/**
 * The file system as readers of keys see it: an argument, so that they stay free of I/O of their
 * own. What goes wrong becomes words that never repeat what a file holds.
 */
import { basename, dirname } from 'node:path'
import { systemCode } from '../errors.ts'

/** Links are followed. Each throws an error with a `code` such as ENOENT. */
export interface FileSystem {
  readonly kindOf: (path: string) => FileKind
  /**
   * UTF-8, or UTF-16 with a byte order mark. Never waits.
   * @throws EFBIG above `MAX_FILE_BYTES`, EISDIR, NOT_REGULAR
   */
  readonly readFile: (path: string) => string
  /** Names without their folder, in any order. */
  readonly readDirectory: (path: string) => readonly string[]
  readonly realPath: (path: string) => string
}

export type FileKind = 'file' | 'directory' | 'other'

/** What a Kubernetes Secret, and the VCAP file of Cloud Foundry, can hold at most. */
export const MAX_FILE_BYTES = 1024 ** 2

export const codedError = (code: string): Error => Object.assign(new Error(code), { code })

/** Completes a sentence that begins with the path. */
export const describeCode = (code: string): string => PROBLEMS[code] ?? `cannot be read (${code})`

export type FileText =
  { readonly ok: true; readonly text: string } | { readonly ok: false; readonly problem: string }

export const readText = (path: string, { readFile }: FileSystem): FileText => {
  try {
    const text = readFile(path)
    if (BINARY.test(text)) throw codedError('NOT_TEXT')
    if (isTooDeep(text)) throw codedError('TOO_DEEP')
    return { ok: true, text }
  } catch (error) {
    return { ok: false, problem: describeCode(systemCode(error)) }
  }
}

/**
 * Whether the text, if it is JSON, nests deeper than a key does: what walks through the values of a key
 * may call itself. Readers of JSON ask before they read.
 */
export const isTooDeep = (text: string): boolean => {
  let depth = 0
  let isQuoted = false
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i] as string
    if (char === '"') isQuoted = !isQuoted
    else if (isQuoted) i += char === '\\' ? 1 : 0
    else if (char === '{' || char === '[') depth += 1
    else if (char === '}' || char === ']') depth -= 1
    if (depth > MAX_DEPTH) return true
  }
  return false
}

const MAX_DEPTH = 32

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

/** @param folder with all links resolved */
export const watchedFolder = (folder: string): WatchedPlace => ({ directory: volumeOf(folder) })

const PROBLEMS: Readonly<Record<string, string>> = {
  EFBIG: 'is larger than 1 MB',
  EISDIR: 'is a directory, not a file',
  ELOOP: 'is a link that leads back to itself (ELOOP)',
  NOT_TEXT: 'is not UTF-8 text',
  NOT_REGULAR: 'is no regular file',
  TOO_DEEP: `is nested more than ${MAX_DEPTH} deep`,
  ENOTDIR: 'is not a folder (ENOTDIR)',
  TOO_MANY: 'has more entries than a binding has',
  UNSTABLE: 'changes faster than it can be read',
}

/** NUL, and what the decoder puts in place of bytes that are not UTF-8. */
const BINARY = /[\0\uFFFD]/

/** Of a volume it is the folder with `..data`, because a generation itself is never changed. */
const volumeOf = (realPath: string): string =>
  /^(.*?)[/\\]\.\.[^/\\]/.exec(realPath)?.[1] ?? realPath
