/**
 * The fields of a key for people to compare, without what is secret. Pure. Shown are only values of
 * fields that are known to be public, and only if they look as such a value does; of everything else
 * length and the beginning of the hash.
 */
import { createHash } from 'node:crypto'
import { asObject } from './json-document.ts'

export type KeyField =
  | { readonly name: string; readonly value: string }
  | {
      readonly name: string
      /** Of the value, in characters. */
      readonly length: number
      /** First 8 hexadecimal digits. */
      readonly sha256: string
    }

const PUBLIC: ReadonlySet<string> = new Set([
  'apiurl',
  'certurl',
  'clientid',
  'credential-type',
  'entities',
  'identityzone',
  'management',
  'subaccountid',
  'tenantid',
  'uaadomain',
  'url',
  'xsappname',
  'zoneid',
])

/** Ids, host names and types: no blanks, nothing of PEM, JSON or Base64. */
const PLAIN = /^[\w.!|-]{1,200}$/

const isPlainUrl = (text: string): boolean => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return (
    url !== undefined &&
    /^https?:$/.test(url.protocol) &&
    url.username + url.password + url.search + url.hash === ''
  )
}

const isPublic = (path: string, value: string, target: string): boolean => {
  const name = path.slice(path.lastIndexOf('.') + 1)
  if (path === target) return isPlainUrl(value)
  return PUBLIC.has(name) && (PLAIN.test(value) || isPlainUrl(value))
}

const fieldOf = (path: string, value: unknown, target: string): KeyField => {
  const name = /^[\w.-]{1,60}$/.test(path) ? path : '(a name that is not repeated here)'
  if (typeof value === 'boolean' || value === null) return { name, value: String(value) }
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  if (isPublic(path, text, target)) return { name, value: text }
  const sha256 = createHash('sha256').update(text).digest('hex').slice(0, 8)
  return { name, length: text.length, sha256 }
}

const MAX_DEPTH = 3
const MAX_FIELDS = 100

/**
 * @param target field with the base URL, whatever it is called
 * @returns at most 100 fields; those of objects with dots in their names
 */
export const keyFields = (credentials: unknown, target: string, prefix = ''): readonly KeyField[] =>
  Object.entries(asObject(credentials) ?? {})
    .slice(0, MAX_FIELDS)
    .flatMap(([name, value]) => {
      const path = prefix + name
      const isLeaf = asObject(value) === undefined || path.split('.').length >= MAX_DEPTH
      return isLeaf ? [fieldOf(path, value, target)] : keyFields(value, target, `${path}.`)
    })
    .slice(0, MAX_FIELDS)
