/**
 * Stands in the bundle for libraries that the product's libraries load at the start, and that it
 * never uses: WebSockets of http-proxy, schema compilers of Fastify. Using them is an error.
 */
'use strict'

const fail = () => {
  throw new Error('WebSockets and schemas are left out of the bundle: see build/main.ts')
}

module.exports = () => fail
module.exports.Server = fail
