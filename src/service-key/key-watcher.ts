/**
 * Says when a key on disk may have changed: soon after an event in its directory, at every poll,
 * and on demand. Most calls are false alarms: reading the key, comparing and taking it over is the
 * caller's business. See docs/decisions/0013-watch-the-directory.md.
 */
import { basename } from 'node:path'
import type { Clock } from '../clock.ts'
import { systemCode } from '../errors.ts'
import type { WatchedPlace } from './file-system.ts'

export interface KeyWatcherOptions {
  readonly places: readonly WatchedPlace[]
  /** `watch` of `node:fs`. @throws an error with a `code` such as ENOENT */
  readonly watch: (directory: string, options: { persistent: false }) => DirectoryWatch
  readonly clock: Clock
  /** SKP_KEY_POLL, in ms. */
  readonly poll: number
  /** Look again. */
  readonly onChange: () => void
  /**
   * There are no events from this directory for the time being, and changes are noticed at the next
   * poll only. Told once until events come again, or the reason is another one.
   * @param code such as ENOSPC, EMFILE (limits of inotify) or ENOENT (the directory is gone)
   */
  readonly onProblem: (code: string, directory: string) => void
}

export interface KeyWatcher {
  /** Looks again now, without waiting for an event or the poll. */
  check(): void
  /** Nothing is called any more, and no watch or timer is left. */
  close(): void
}

/**
 * Starts watching. Neither the watch nor its timers keep the process alive. A change between the
 * caller's last look and this call is noticed at the first poll, or by `check()`.
 */
export const watchKey = (options: KeyWatcherOptions): KeyWatcher => {
  const { places, clock, poll, onChange } = options
  let closed = false
  let cancelDebounce: (() => void) | undefined
  let cancelPoll: (() => void) | undefined

  const look = (): void => {
    if (closed) return
    cancelDebounce?.()
    cancelDebounce = undefined
    // First the watch, then the look: a change in between is an event, and not lost.
    for (const { arm } of arms) arm()
    onChange()
  }
  // Not put off by further events, so a directory that is never quiet is looked at all the same.
  const onEvent = (): void => {
    cancelDebounce ??= clock.schedule(DEBOUNCE_MS, look, { background: true })
  }
  const schedulePoll = (): void => {
    cancelPoll = clock.schedule(
      poll,
      () => {
        schedulePoll()
        look()
      },
      { background: true },
    )
  }

  const arms = places.map((place) => createArm(place, options, onEvent))
  for (const { arm } of arms) arm()
  schedulePoll()
  return {
    check: look,
    close() {
      closed = true
      cancelDebounce?.()
      cancelPoll?.()
      for (const { disarm } of arms) disarm()
    },
  }
}

/** The part of `fs.FSWatcher` that is needed. */
interface DirectoryWatch {
  on(event: 'change', listener: (type: string, name: string | null) => void): unknown
  on(event: 'error', listener: (error: unknown) => void): unknown
  close(): void
}

/** A change is seldom one event: the kubelet makes five, an editor up to four. */
const DEBOUNCE_MS = 500

/** The watch on one directory. It stays with the directory it found, whatever its path leads to later. */
const createArm = (
  place: WatchedPlace,
  { watch, onProblem }: KeyWatcherOptions,
  onEvent: () => void,
) => {
  let current: DirectoryWatch | undefined
  let told: string | undefined
  const fail = (error: unknown): void => {
    const code = systemCode(error)
    if (code !== told) onProblem(code, place.directory)
    told = code
  }
  const disarm = (): void => {
    current?.close()
    current = undefined
  }
  const arm = (): void => {
    disarm()
    try {
      current = watch(place.directory, { persistent: false })
      current.on('change', (_type, name) => {
        if (concerns(place, name)) onEvent()
      })
      current.on('error', fail)
      told = undefined
    } catch (error) {
      fail(error)
    }
  }
  return { arm, disarm }
}

/** An own file, the links of a volume (`..data`), the directory itself, or it is not known. */
const concerns = ({ directory, file }: WatchedPlace, name: string | null): boolean =>
  file === undefined ||
  name === null ||
  name === file ||
  name.startsWith('..') ||
  name === basename(directory)
