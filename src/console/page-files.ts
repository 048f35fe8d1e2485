/**
 * The files of the page by path. From source they are read when they are asked for first; the build
 * puts what this returns, made smaller, in its place (scripts/console-page.ts).
 */
import { readFileSync, readdirSync } from 'node:fs'

/** @throws if a file cannot be read */
export const pageFiles = (): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(readdirSync(FOLDER).map((name) => [name, read(new URL(name, FOLDER))])),
  'uplot.js': read(new URL('uPlot.esm.js', PLOTS)),
  'uplot.css': read(new URL('uPlot.min.css', PLOTS)),
  'errors.json': JSON.stringify(
    errorSections(read(new URL('../../docs/errors.md', import.meta.url))),
  ),
})

/**
 * docs/errors.md → cause and remedy by code, so that the page says what the document says.
 *
 * @param document the whole page as Markdown; the texts keep their backticks and tables
 */
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

interface ErrorSection {
  readonly code: string
  /** Status, origin and `Retry-After`. */
  readonly summary: string
  readonly cause: string
  readonly operator: string
  readonly caller: string
}

/** `[text](target)` → text: what a link of the document leads to is not on the admin port. */
const withoutLinks = (text: string): string => text.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')

const paragraph = (section: string, label: string): string =>
  (section.split(`**${label}.** `, 2)[1] ?? '').split(/\n\n(?=\*\*)/, 1)[0]?.trim() as string

const FOLDER = new URL('page/', import.meta.url)

/** What the page takes from packages. */
const PLOTS = new URL('.', import.meta.resolve('uplot'))

const read = (url: URL): string => readFileSync(url, 'utf8')
