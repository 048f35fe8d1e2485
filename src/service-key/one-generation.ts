/**
 * Reads a mounted volume so that all of it is of one generation. The kubelet changes a volume by
 * swapping the link `..data` to a new folder, after which it removes the old one file by file:
 * reading through the links could mix two keys, or miss a file of one.
 */
import { basename, dirname, join } from 'node:path'
import { systemCode } from '../errors.ts'
import { codedError, type FileSystem } from './file-system.ts'

/** Where a change of a key shows. */
export interface WatchedPlace {
  /** What is watched: a watch on a file goes deaf once the file is replaced. */
  readonly directory: string
  /** The one file in it that matters, beside the links of a volume; without it all do. */
  readonly file?: string
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

/**
 * @param read is told where to read. It is called again if the volume has changed meanwhile.
 * @throws what `read` throws of a volume that has not changed; UNSTABLE after three changes
 */
export const readOneGeneration = <T>(
  path: string,
  files: FileSystem,
  read: (base: string) => T,
): T => {
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

/** Of a volume it is the folder with `..data`, because a generation itself is never changed. */
const volumeOf = (realPath: string): string =>
  /^(.*?)[/\\]\.\.[^/\\]/.exec(realPath)?.[1] ?? realPath

/** @param folder with all links resolved, as `readOneGeneration` tells it */
export const watchedFolder = (folder: string): WatchedPlace => ({ directory: volumeOf(folder) })

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
