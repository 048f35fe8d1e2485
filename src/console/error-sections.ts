/** docs/errors.md → cause and remedy by code, so that the page says what the document says. Pure. */

export interface ErrorSection {
  readonly code: string
  /** Status, origin and `Retry-After`. */
  readonly summary: string
  readonly cause: string
  readonly operator: string
  readonly caller: string
}

const paragraph = (section: string, label: string): string =>
  (section.split(`**${label}.** `, 2)[1] ?? '').split(/\n\n(?=\*\*)/, 1)[0]?.trim() as string

/** `[text](target)` → text: what a link of the document leads to is not on the admin port. */
const withoutLinks = (text: string): string => text.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')

/** @param document the whole page as Markdown; the texts keep their backticks and tables */
export const errorSections = (document: string): readonly ErrorSection[] =>
  withoutLinks(document)
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [code = '', , summary = ''] = section.split('\n', 3)
      return {
        code,
        summary,
        cause: paragraph(section, 'Cause'),
        operator: paragraph(section, 'Operator'),
        caller: paragraph(section, 'Caller'),
      }
    })
