/**
 * The file system as readers of keys see it: an argument, so that they stay free of I/O of their
 * own. What goes wrong becomes words that never repeat what a file holds.
 */
import { systemCode } from '../errors.ts'

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

export type FileText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: string; readonly problem: string }

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

/** Completes a sentence that begins with the path. */
export const describeCode = (code: string): string => PROBLEMS[code] ?? `cannot be read (${code})`

export const codedError = (code: string): Error => Object.assign(new Error(code), { code })

export const unreadableText = (code: string): FileText => ({
  ok: false,
  code,
  problem: describeCode(code),
})

/** NUL, and what the decoder puts in place of bytes that are not UTF-8. */
const BINARY = /[\0\uFFFD]/

export const readText = (path: string, { readFile }: FileSystem): FileText => {
  try {
    const text = readFile(path)
    return BINARY.test(text) ? unreadableText('NOT_TEXT') : { ok: true, text }
  } catch (error) {
    return unreadableText(systemCode(error))
  }
}
