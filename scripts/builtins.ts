/**
 * Node's own modules are required in the bundle, not imported. For an import, Node asks a module for
 * every name it has, and some of them load a lot: `WebSocket` of node:http, from Node 22 on, all of
 * Node's own undici. As CommonJS they are asked for a name when it is used.
 */
import type { Plugin } from 'esbuild'
import { isBuiltin } from 'node:module'

export const builtins: Plugin = {
  name: 'builtins',
  setup(builder) {
    builder.onResolve({ filter: /^[a-z\d:_/]+$/ }, ({ path, kind }) =>
      kind === 'import-statement' && isBuiltin(path) ? { path, namespace: 'builtin' } : undefined,
    )
    builder.onLoad({ filter: /^/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require('${path}')`,
    }))
  },
}
