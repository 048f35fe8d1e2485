/** What a command may touch of the process, and what it gives back; only main.ts hands it out. */
import {
  closeSync,
  constants as modes,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { isIPv6 } from 'node:net'
import { constants } from 'node:os'
import type { Writable } from 'node:stream'
import type { Readiness } from '../admin/readiness.ts'
import type { KeyWatcherOptions } from '../service-key/key-watcher.ts'
import {
  codedError,
  type FileKind,
  type FileSystem,
  MAX_FILE_BYTES,
} from '../service-key/file-system.ts'

export interface Process {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** @throws an error with a `code` such as ENOENT */
  readonly readFile: (path: string) => string
  /** Where bindings are looked for. */
  readonly files: FileSystem
  /** `watch` of `node:fs`. */
  readonly watch: KeyWatcherOptions['watch']
  readonly stdout: Output
  readonly stderr: Output
  readonly version: string
  /** Of Node, such as `v24.18.1`. */
  readonly nodeVersion: string
  /** What Node was started with on its command line. */
  readonly nodeFlags: readonly string[]
}

type Output = Writable & { readonly isTTY?: boolean }

/** Something that goes on until it is stopped. */
export interface Running {
  /** Where callers on this machine reach it: scheme, host and port. */
  readonly url: string
  /** `early` while the first request for a token has not ended, of one key at least. */
  readonly readiness: () => Readiness & { readonly early: boolean }
  /** @param crash what was thrown outside any request, if that is the reason to stop */
  readonly stop: (crash?: unknown) => Promise<void>
  /** Looks at once whether a service key on disk has changed. */
  readonly reload: () => void
  /** Hands over the log lines that wait, for an end without a stop. */
  readonly flush: () => void
}

/** Exit codes are part of the interface: operators and scripts tell causes apart by them. */
export const EXIT = {
  stopped: 0,
  /** `wait` only. */
  notReady: 1,
  configuration: 2,
  unbound: 3,
  portInUse: 4,
  /** `check` only. */
  key: 10,
  connection: 11,
  tls: 12,
  credential: 13,
  tokenEndpoint: 14,
  api: 15,
  /** `exec` only, as shells have it. */
  commandRefused: 126,
  commandMissing: 127,
} as const

/** That of a child, as a shell would tell it: 128 and the number of the signal that ended it. */
export const childExitCode = (code: number | null, signal: NodeJS.Signals | null): number =>
  code ?? 128 + constants.signals[signal as NodeJS.Signals]

/** @returns scheme, host and port, as callers on this machine reach it, without a slash at the end */
export const localUrl = (listenHost: string, port: number): string => {
  const host = LOOPBACK.get(listenHost) ?? listenHost
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`
}

/** An address to listen on that means every one is none to connect to. */
const LOOPBACK: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
])

export type Paint = (text: string, color: keyof typeof COLORS) => string

export const painter = (output: Output, environment: Process['environment']): Paint =>
  hasColor(output, environment)
    ? (text, color) => `\u001B[${COLORS[color]}m${text}\u001B[39m`
    : (text) => text

/** On a terminal only, and never where NO_COLOR is set to anything (no-color.org). */
export const hasColor = (
  { isTTY }: Output,
  { NO_COLOR = '', TERM }: Process['environment'],
): boolean => isTTY === true && NO_COLOR === '' && TERM !== 'dumb'

const COLORS = { red: 31, green: 32, yellow: 33 } as const

/** The real file system behind the port that readers of keys see. */
export const systemFiles: FileSystem = {
  kindOf: (path) => kindOf(path),
  readFile: (path) => decode(readWithin(MAX_FILE_BYTES, path)),
  readDirectory: (path) => readdirSync(path),
  realPath: (path) => realpathSync(path),
}

const kindOf = (path: string): FileKind => {
  const status = statSync(path)
  if (status.isFile()) return 'file'
  return status.isDirectory() ? 'directory' : 'other'
}

/** A pipe that took the place of a file since it was looked at must not be waited for either. */
const OPEN_MODE = modes.O_RDONLY | modes.O_NONBLOCK

/** By pieces and not by the size that the file claims, because those of `/proc` claim 0. */
const readWithin = (limit: number, path: string): Buffer => {
  const kind = kindOf(path)
  if (kind !== 'file') throw codedError(kind === 'directory' ? 'EISDIR' : 'NOT_REGULAR')
  const descriptor = openSync(path, OPEN_MODE)
  try {
    const pieces: Buffer[] = []
    for (let total = 0; total <= limit;) {
      const piece = Buffer.allocUnsafe(64 * 1024)
      const length = readSync(descriptor, piece)
      if (length === 0) return Buffer.concat(pieces)
      pieces.push(piece.subarray(0, length))
      total += length
    }
    throw codedError('EFBIG')
  } finally {
    closeSync(descriptor)
  }
}

/** UTF-16 is what `>` of Windows PowerShell writes. */
const decode = (bytes: Buffer): string => {
  const mark = bytes.toString('latin1', 0, 2)
  return new TextDecoder(ENCODINGS[mark] ?? 'utf-8').decode(bytes)
}

/** By the first two bytes. */
const ENCODINGS: Readonly<Record<string, string>> = {
  '\xff\xfe': 'utf-16le',
  '\xfe\xff': 'utf-16be',
}
