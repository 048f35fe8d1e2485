/**
 * One server behind every address of a host. A name such as `localhost` may have several: Node listens
 * on the first, and Fastify on the others with servers of its own, which have neither the listeners nor
 * the limits nor the stop of the first. Here whatever connects anywhere becomes a connection of the one.
 */
import type { FastifyInstance } from 'fastify'
import dns from 'node:dns'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { promisify } from 'node:util'
import { systemCode } from '../errors.ts'
import type { Stoppable } from '../lifecycle.ts'

export class Listener implements Stoppable {
  readonly server: FastifyInstance['server']
  readonly #app: FastifyInstance
  readonly #others: Server[] = []

  constructor(app: FastifyInstance) {
    this.#app = app
    this.server = app.server
  }

  /**
   * @returns the port, which is the same on all addresses
   * @throws what listening throws on any address that this machine has; then nothing listens
   */
  async listen(host: string, port: number): Promise<number> {
    try {
      let missing: unknown
      for (const address of await addressesOf(host)) {
        try {
          // oxlint-disable-next-line no-await-in-loop -- the first one decides about the port
          await this.#listenOn(address, port)
        } catch (error) {
          if (!NOT_HERE.has(systemCode(error))) throw error
          missing = error
        }
      }
      if (!this.server.listening) throw missing
      return this.#port
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async close(): Promise<void> {
    const closing = this.#others.map((other) => once(other.close(), 'close'))
    await Promise.all([this.#app.close(), ...closing])
  }

  async #listenOn(host: string, port: number): Promise<void> {
    if (!this.server.listening) {
      await this.#app.listen({ host, port })
      return
    }
    // Sockets as an HTTP server has them.
    const other = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.server.emit('connection', socket),
    )
    await once(other.listen({ host, port: this.#port }), 'listening')
    this.#others.push(other)
  }

  get #port(): number {
    return (this.server.address() as AddressInfo).port
  }
}

const addressesOf = async (host: string): Promise<ReadonlySet<string>> => {
  const found = await promisify(dns.lookup)(host, { all: true })
  return new Set(found.map(({ address }) => address))
}

/** Of addresses that a name has and this machine has not, such as ::1 where there is no IPv6. */
const NOT_HERE: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT'])
