/** The real file system behind the port that readers of keys see. */
import { closeSync, openSync, readdirSync, readSync, realpathSync, statSync } from 'node:fs'
import { codedError, MAX_FILE_BYTES, type FileSystem } from './service-key/file-system.ts'

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
