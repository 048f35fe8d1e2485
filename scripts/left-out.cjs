/**
 * Stands in the bundle for what the product's libraries load at the start, and it never uses:
 * WebSockets of http-proxy, schema compilers of Fastify, HTTP/2. Using them is an error.
 */
'use strict'

const fail = () => {
  throw new Error('WebSockets, schemas and HTTP/2 are left out of the bundle: see scripts/build.ts')
}

module.exports = () => fail
module.exports.Server = fail
module.exports.connect = fail
// Read at the start.
module.exports.constants = {}
