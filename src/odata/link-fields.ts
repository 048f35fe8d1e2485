/** Header fields whose value is a link (RFC 9110 §8.7 and §10.2.2, OData V4 part 1 §8.3.4). Pure. */
import { LinkRewriter, type LinkTable } from './link-rewriter.ts'

/** In lower case. */
export const LINK_FIELDS: ReadonlySet<string> = new Set([
  'content-location',
  'dataserviceid',
  'link',
  'location',
  'odata-entityid',
])

/** A value is all link, as that of an attribute is. */
const AS_ATTRIBUTE = Buffer.from('href="')

/** @param name in lower case */
export const isLinkField = (name: string): boolean => LINK_FIELDS.has(name)

/** @returns the value with its links replaced; the same string if it has none */
export const rewriteField = (table: LinkTable, value: string): string =>
  new LinkRewriter(table, AS_ATTRIBUTE).end(Buffer.from(value, 'latin1')).toString('latin1')

/** @param line of a head, such as `Location: /v1/Vendor('1')` */
export const rewriteFieldLine = (table: LinkTable, line: string): string => {
  const [, start = '', name = '', value = ''] = /^(([^\s:]+)[ \t]*:[ \t]*)(.+)$/.exec(line) ?? []
  return isLinkField(name.toLowerCase()) ? start + rewriteField(table, value) : line
}
