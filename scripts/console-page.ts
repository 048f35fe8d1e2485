/** The files of the console page, made smaller and put into the bundle as text. */
import { transformSync, type Loader, type Plugin } from 'esbuild'
import { pageFiles } from '../src/console/page-files.ts'

const smaller = (name: string, text: string): string => {
  const loader = /\.(js|css)$/.exec(name)?.[1] as Loader | undefined
  return loader === undefined
    ? text
    : transformSync(text, { loader, minify: true, target: 'es2023', legalComments: 'none' }).code
}

/** Stands for src/console/page-files.ts, which reads the files from where they are written. */
export const consolePage: Plugin = {
  name: 'console-page',
  setup(builder) {
    builder.onLoad({ filter: /[\\/]src[\\/]console[\\/]page-files\.ts$/ }, () => {
      const files = Object.entries(pageFiles()).map(([name, text]) => [name, smaller(name, text)])
      const contents = `export const pageFiles = () => (${JSON.stringify(Object.fromEntries(files))})`
      return { contents, loader: 'js' }
    })
  },
}

/** What the page contains of packages, as a path of a bundled file would say it. */
export const PAGE_INPUTS = ['node_modules/uplot/dist/uPlot.esm.js']
