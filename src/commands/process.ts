/** What a command may touch of the process; main.ts is the only one to hand it out. */
import { closeSync, openSync, readdirSync, readSync, realpathSync, statSync } from 'node:fs'
import type { Writable } from 'node:stream'
import type { Readiness } from '../admin/readiness.ts'
import type { KeyWatcherOptions } from '../service-key/key-watcher.ts'
import { codedError, type FileSystem, MAX_FILE_BYTES } from '../service-key/file-system.ts'

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
}

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

export const systemFiles: FileSystem = {
  kindOf(path) {
    const status = statSync(path)
    if (status.isFile()) return 'file'
    return status.isDirectory() ? 'directory' : 'other'
  },
  readFile: (path) => readWithin(MAX_FILE_BYTES, path).toString('utf8'),
  readDirectory: (path) => readdirSync(path),
  realPath: (path) => realpathSync(path),
}

type Output = Writable & { readonly isTTY?: boolean }

/* FOLDED: The real file system behind the port that readers of keys see. */

/** By pieces and not by the size that the file claims, because pipes and devices claim 0. */
const readWithin = (limit: number, path: string): Buffer => {
  const descriptor = openSync(path, 'r')
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
