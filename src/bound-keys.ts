/** Every service key that is bound, what they serve together, and the watch on their places. */
import type { Logger } from 'pino'
import type { ProxyMetrics } from './admin/proxy-metrics.ts'
import { BoundKey } from './bound-key.ts'
import type { GenerationOptions } from './key-generation.ts'
import type { Mount } from './proxy/mount.ts'
import { watchKey, type KeyWatcher, type KeyWatcherOptions } from './service-key/key-watcher.ts'
import type { KeyReading, KeySource } from './service-key/key-source.ts'

export interface BoundKeySource {
  readonly source: KeySource
  /** What it says at the start. */
  readonly reading: KeyReading
}

export interface BoundKeysOptions extends Omit<GenerationOptions, 'metrics'> {
  readonly keys: readonly BoundKeySource[]
  readonly log: Logger
  readonly watch: KeyWatcherOptions['watch']
}

/** All keys, and what they serve together. */
export const createKeys = (options: BoundKeysOptions, metrics: ProxyMetrics) => {
  const several = options.keys.length > 1
  let mounts: readonly Mount[] = []
  const onMounts = (): void => {
    mounts = keys.flatMap((key) => key.mounts)
  }
  const logs = options.keys.map(({ source }) =>
    several ? options.log.child({ key: source.name }) : options.log,
  )
  const keys: readonly BoundKey[] = options.keys.map(({ source, reading }, index) => {
    const log = logs[index] as Logger
    return new BoundKey({ ...options, metrics, source, reading, log, onMounts })
  })
  onMounts()
  return { keys, logs, mounts: () => mounts }
}

/** @returns a look at the keys on demand, and the end of the watch */
export const watchKeys = (options: BoundKeysOptions, keys: readonly BoundKey[]): KeyWatcher[] =>
  options.keys.flatMap(({ reading }, index) => {
    const { watch: places } = reading
    if (places.length === 0) return []
    const onChange = (): void => void keys[index]?.reload()
    const onProblem = (code: string, directory: string): void =>
      options.log.warn(
        { code, directory },
        'changes of the service key are noticed by polling only',
      )
    const { clock, watch, config } = options
    const { keyPoll: poll } = config
    const watcher = watchKey({ places, watch, clock, poll, onChange, onProblem })
    // What has changed since the key was read caused no event.
    watcher.check()
    return [watcher]
  })
