/**
 * `npm run build`: src/ and its libraries → dist/service-key-proxy.mjs, which needs nothing but
 * Node, with a source map and the licences of the libraries beside it. Types are not checked here.
 */
import { build, type Plugin } from 'esbuild'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { builtins } from './builtins.ts'
import { consolePage, PAGE_INPUTS } from './console-page.ts'
import { thirdPartyNotices } from './third-party-notices.ts'

const pathOf = (file: string): string => fileURLToPath(new URL(`../${file}`, import.meta.url))

const LEFT_OUT = pathOf('scripts/left-out.cjs')

/** By the exact name that is imported. */
const SUBSTITUTES: ReadonlyMap<string, string> = new Map([
  ['undici', pathOf('scripts/undici.mjs')],
  ['ws', LEFT_OUT],
  ['node:http2', LEFT_OUT],
  ['@fastify/ajv-compiler', LEFT_OUT],
  ['@fastify/fast-json-stringify-compiler', LEFT_OUT],
])

const substitutes: Plugin = {
  name: 'substitutes',
  setup(builder) {
    builder.onResolve({ filter: /^[@\w]/ }, ({ path }) => {
      const substitute = SUBSTITUTES.get(path)
      return substitute === undefined ? undefined : { path: substitute }
    })
  },
}

const { metafile, outputFiles } = await build({
  absWorkingDir: pathOf(''),
  entryPoints: ['src/main.ts'],
  outfile: 'dist/service-key-proxy.mjs',
  bundle: true,
  platform: 'node',
  // The modules of OpenTelemetry can be left out one by one; its CommonJS cannot.
  mainFields: ['module', 'main'],
  format: 'esm',
  target: 'node20.19',
  // The CommonJS among the libraries asks for Node's modules by `require`.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  plugins: [substitutes, builtins, consolePage],
  // Half the text to parse at the start. Names stay, and lines short: for stack traces.
  minifySyntax: true,
  minifyWhitespace: true,
  lineLimit: 120,
  sourcemap: 'external',
  // Complete beside the bundle.
  legalComments: 'none',
  metafile: true,
  write: false,
  logLevel: 'warning',
})

rmSync(pathOf('dist'), { recursive: true, force: true })
mkdirSync(pathOf('dist'))
for (const { path, contents } of outputFiles) writeFileSync(path, contents, { mode: 0o755 })
writeFileSync(
  pathOf('dist/THIRD-PARTY-LICENSES'),
  thirdPartyNotices([...Object.keys(metafile.inputs), ...PAGE_INPUTS]),
)
