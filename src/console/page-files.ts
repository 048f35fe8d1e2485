/**
 * The files of the page by path. From source they are read when they are asked for first; the build
 * puts what this returns, made smaller, in its place (build/console-page.ts).
 */
import { readFileSync, readdirSync } from 'node:fs'
import { errorSections } from './error-sections.ts'

export type PageFiles = Readonly<Record<string, string>>

const FOLDER = new URL('page/', import.meta.url)
/** What the page takes from packages. */
const PLOTS = new URL('.', import.meta.resolve('uplot'))

const read = (url: URL): string => readFileSync(url, 'utf8')

/** @throws if a file cannot be read */
export const pageFiles = (): PageFiles => ({
  ...Object.fromEntries(readdirSync(FOLDER).map((name) => [name, read(new URL(name, FOLDER))])),
  'uplot.js': read(new URL('uPlot.esm.js', PLOTS)),
  'uplot.css': read(new URL('uPlot.min.css', PLOTS)),
  'errors.json': JSON.stringify(
    errorSections(read(new URL('../../docs/errors.md', import.meta.url))),
  ),
})
