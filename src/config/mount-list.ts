/** SKP_MOUNTS: which base URL of which binding is served under which prefix. Pure. */
import type { SettingType } from './setting-types.ts'

export interface MountSetting {
  /** Empty for the root, else whole segments such as `/management`. */
  readonly prefix: string
  /** Binding or instance name; `undefined`: the one that SKP_SERVICE and SKP_BINDING select. */
  readonly binding: string | undefined
  /** Field of the key with the base URL; dots reach into objects. */
  readonly target: string
}

/** `/-/` belongs to the probes, and no segment may be read as `.` or `..`. */
const PREFIX =
  /^\/(?:$|(?!-(?:\/|$))[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$)/

const ENTRY = /^(?<prefix>\/[^=]*)=(?:(?<binding>[^:=]+):)?(?<target>[^:=]+)$/

const mountOf = (entry: string): MountSetting | undefined => {
  const { prefix, binding, target } = ENTRY.exec(entry.trim())?.groups ?? {}
  if (prefix === undefined || target === undefined || !PREFIX.test(prefix)) return undefined
  return { prefix: prefix === '/' ? '' : prefix, binding, target }
}

export const mountList: SettingType<readonly MountSetting[]> = {
  name: 'list',
  expects:
    'a list of /prefix=field or /prefix=binding:field, each prefix once, such as /=entities,/management=management',
  parse(text) {
    const mounts = text.split(',').map(mountOf)
    if (!mounts.every((mount) => mount !== undefined)) return undefined
    const prefixes = new Set(mounts.map(({ prefix }) => prefix))
    return prefixes.size === mounts.length ? mounts : undefined
  },
}
