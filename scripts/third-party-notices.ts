/** The licences of the packages in the bundle, which has to carry them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license: string
  readonly author?: string | { readonly name: string }
}

const LICENCE_FILE = /^(?:licen[cs]e|copying|notice)/i
const RULE = `\n\n${'-'.repeat(80)}\n\n`

const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`

/** The folder of the package that a bundled file belongs to; `undefined`: it is ours. */
const packageOf = (input: string): string | undefined =>
  /^.*\bnode_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0]

/** For a package that names its licence, but has no file with it. */
const unwritten = ({ name, license, author }: Manifest): string => {
  const holder = typeof author === 'object' ? author.name : author
  if (license !== 'MIT' || holder === undefined) {
    throw new Error(`${name} has no licence that could be passed on`)
  }
  return `Copyright (c) ${holder}\n\n${MIT}`
}

const noticeOf = (folder: string): string => {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
  const files = readdirSync(folder).filter((name) => LICENCE_FILE.test(name))
  const texts = files.map((name) => readFileSync(join(folder, name), 'utf8').trim())
  if (texts.length === 0) texts.push(unwritten(manifest))
  return [`${manifest.name} ${manifest.version} (${manifest.license})`, ...texts].join('\n\n')
}

/**
 * @param inputs paths of the bundled files
 * @throws if the licence of a package is not to be found
 */
export const thirdPartyNotices = (inputs: readonly string[]): string => {
  const folders = new Set(inputs.map(packageOf).filter((folder) => folder !== undefined))
  const notices = [...folders].toSorted().map(noticeOf)
  return `${['service-key-proxy.mjs contains these packages.', ...notices].join(RULE)}\n`
}
