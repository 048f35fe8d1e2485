/** The coverage gate is about the product; the demo is equipment for trying and testing it. */
import { readdirSync } from 'node:fs'

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => `src/${path}`)

export default () => sources
