/** The kinds of value a setting can have: how each is read, written and described. Pure. */
import type { AllowRule } from '../policy/access-policy.ts'

export interface SettingType<T> {
  readonly name: string
  /** Completes "expected …" in an error. */
  readonly expects: string
  /** Never repeated in an error, not even where it is wrong. */
  readonly secret?: true
  /** `undefined` for text that is not of this type. */
  parse(text: string): T | undefined
  /** As it would be written, where that is not the value itself. */
  show?(value: T): string
}

/** Milliseconds, written with their unit so that `5` cannot mean two things; 0 means at once. */
export const delay: SettingType<number> = {
  name: 'duration',
  expects: 'a duration with its unit, such as 500ms, 5s or 2m',
  parse(text) {
    const ms = withUnit(text, /^(\d{1,9})(ms|s|m|h)$/, DURATION_UNITS)
    return ms === undefined || ms > MAX_TIMER_MS ? undefined : ms
  },
  show: (ms) => (ms === 0 ? '0s' : inUnits(ms, DURATION_UNITS)),
}

const DURATION_UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Largest delay a Node timer keeps; a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** A delay that limits something, and so cannot be 0. */
export const timeLimit: SettingType<number> = {
  ...delay,
  expects: `${delay.expects}, and above 0`,
  parse: (text) => delay.parse(text) || undefined,
}

/** Bytes; KB is 1024. The bounds are bytes, too. */
export const size = (min: number, max: number): SettingType<number> => ({
  name: 'size',
  expects: `a size from ${min / 1024}KB to ${max / 1024}KB with its unit, such as 64KB`,
  parse(text) {
    const bytes = withUnit(text, /^(\d{1,9})(B|KB|MB|GB)$/, SIZE_UNITS)
    return bytes !== undefined && bytes >= min && bytes <= max ? bytes : undefined
  },
  show: (bytes) => inUnits(bytes, SIZE_UNITS),
})

/** Bytes a second. */
export const rate: SettingType<number> = {
  name: 'size',
  expects: 'a size for each second with its unit, such as 1KB or 100B, or 0 for none',
  parse: (text) => (text === '0' ? 0 : size(1, 1024 ** 3).parse(text)),
  show: (bytes) => (bytes === 0 ? '0' : inUnits(bytes, SIZE_UNITS)),
}

const SIZE_UNITS = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 }

/** By their size, the smallest one first. */
type Units = Readonly<Record<string, number>>

const withUnit = (text: string, pattern: RegExp, units: Units): number | undefined => {
  const [, amount, unit] = pattern.exec(text) ?? []
  return unit === undefined ? undefined : Number(amount) * (units[unit] as number)
}

/** With the largest unit that leaves a whole number. */
const inUnits = (value: number, units: Units): string => {
  const [unit, factor] = Object.entries(units).findLast(([, factor]) => value % factor === 0) as [
    string,
    number,
  ]
  return `${value / factor}${unit}`
}

export const integer = (min: number, max: number): SettingType<number> => ({
  name: 'number',
  expects: `a whole number from ${min} to ${max}`,
  parse(text) {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    return value >= min && value <= max ? value : undefined
  },
  show: String,
})

export const choice = <const T extends string>(...values: readonly T[]): SettingType<T> => ({
  name: values.join(' | '),
  expects: `one of ${values.join(', ')}`,
  parse: (text) => values.find((value) => value === text),
})

export const text: SettingType<string> = {
  name: 'text',
  expects: 'some text',
  parse: (value) => (value.trim() === '' ? undefined : value),
}

/** As a header field can carry it, and not to be guessed. */
export const secret: SettingType<string> = {
  name: 'secret',
  expects: 'at least 16 characters, all of them ASCII letters, digits or signs',
  secret: true,
  parse: (value) => (/^[\x21-\x7e]{16,}$/.test(value) ? value : undefined),
}

/** Values of `Host`, in lower case. */
export const hosts: SettingType<readonly string[]> = {
  name: 'hosts',
  expects: 'a comma list of host names with or without port, such as localhost,proxy:8080, or *',
  parse(text) {
    const names = text.split(',').map((name) => name.trim().toLowerCase())
    return text === '*' || names.every((name) => HOST.test(name)) ? names : undefined
  },
  show: (names) => names.join(', '),
}

const HOST = /^(?:\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::\d{1,5})?$/

export const allowRules: SettingType<readonly AllowRule[]> = {
  name: 'rules',
  expects: 'a comma list of METHODS /path-pattern, such as GET|HEAD /Vendor*,POST /Request/**',
  parse(text) {
    const rules = text.split(',').map((rule) => ruleOf(rule.trim()))
    return rules.every((rule) => rule !== undefined) ? rules : undefined
  },
  show: (rules) =>
    rules
      .map(({ methods, segments, open }) => {
        const path = [...segments, ...(open ? ['**'] : [])].join('/')
        return `${methods.join('|')} /${path}`
      })
      .join(', '),
}

const ruleOf = (text: string): AllowRule | undefined => {
  const [, list = '', path = ''] = RULE.exec(text) ?? []
  const methods = list.split('|')
  const open = /(?:^|\/)\*\*$/.test(path)
  const rest = open ? path.replace(/\/?\*\*$/, '') : path
  const segments = rest === '' ? [] : rest.split('/')
  const areClean = segments.every((segment) => segment !== '' && !segment.includes('**'))
  return areClean && methods.every((method) => METHODS.has(method))
    ? { methods, segments, open }
    : undefined
}

/** Paths are compared decoded and without query: patterns have no escapes, and no `?`. */
const RULE = /^([A-Z|]+) +\/([^\s%?#;\\]*)$/

/** Those of OData, so that a misspelt one is noticed. */
const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'POST',
  'PUT',
  'PATCH',
  'MERGE',
  'DELETE',
])

/** Which base URL of which binding is served under which prefix. */
export interface RouteSetting {
  /** Empty for the root, else whole segments such as `/management`. */
  readonly prefix: string
  /** Binding or instance name; `undefined`: the one that SKP_SERVICE and SKP_BINDING select. */
  readonly binding: string | undefined
  /** Field of the key with the base URL; dots reach into objects. */
  readonly target: string
}

export const routeList: SettingType<readonly RouteSetting[]> = {
  name: 'list',
  expects:
    'a list of /prefix=field or /prefix=binding:field, each prefix once, such as /=entities,/management=management',
  parse(text) {
    const routes = text.split(',').map(routeOf)
    if (!routes.every((route) => route !== undefined)) return undefined
    const prefixes = new Set(routes.map(({ prefix }) => prefix))
    return prefixes.size === routes.length ? routes : undefined
  },
  show: (routes) =>
    routes
      .map(({ prefix, binding, target }) => {
        const field = binding === undefined ? target : `${binding}:${target}`
        return `${prefix === '' ? '/' : prefix}=${field}`
      })
      .join(', '),
}

const routeOf = (entry: string): RouteSetting | undefined => {
  const { prefix, binding, target } = ENTRY.exec(entry.trim())?.groups ?? {}
  if (prefix === undefined || target === undefined || !PREFIX.test(prefix)) return undefined
  return { prefix: prefix === '/' ? '' : prefix, binding, target }
}

const ENTRY = /^(?<prefix>\/[^=]*)=(?:(?<binding>[^:=]+):)?(?<target>[^:=]+)$/

/** `/-/` belongs to the probes, and no segment may be read as `.` or `..`. */
const PREFIX =
  /^\/(?:$|(?!-(?:\/|$))[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$)/

/**
 * A piece of the user's input for an error text, unless it might be a pasted key: settings are
 * short and flat, keys are neither.
 */
export const quotedInput = (value: string): string =>
  value.length > MAX_LENGTH || /[{}"\n]/.test(value)
    ? '(a text that is not repeated here, because it may be a key)'
    : JSON.stringify(value)

const MAX_LENGTH = 60
