/**
 * Reads a mounted volume so that all of it is of one generation. The kubelet changes a volume by
 * swapping the link `..data` to a new folder, after which it removes the old one file by file:
 * reading through the links could mix two keys, or miss a file of one.
 */
import { dirname, join } from 'node:path'
import { systemCode } from '../errors.ts'
import { codedError, type FileSystem } from './file-system.ts'

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

/**
 * The folder in which a change of a file or folder shows: of a volume that is the one with `..data`,
 * because a generation itself is never changed.
 * @param realPath with all links resolved
 */
export const watchedFolder = (realPath: string, otherwise: string): string =>
  /^(.*?)[/\\]\.\.[^/\\]/.exec(realPath)?.[1] ?? otherwise

/** Of the file, and of what it leads to if it is a link to elsewhere. */
export const watchedFoldersOf = (file: string, { realPath }: FileSystem): readonly string[] => {
  const folder = dirname(file)
  try {
    const [link, target] = [realPath(folder), dirname(realPath(file))]
    return [...new Set([link, target].map((path) => watchedFolder(path, path)))]
  } catch {
    return [folder]
  }
}
