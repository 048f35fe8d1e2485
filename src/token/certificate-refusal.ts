/**
 * How a token server refuses a connection for the sake of the client's certificate (RFC 8446 §4.4.2.4).
 * Under TLS 1.3 the client's handshake is over by then: the alert is an error of a socket that is in use,
 * and an HTTP client that is not listening yet says only that the other side closed.
 */
import type { TLSSocket } from 'node:tls'
import type { buildConnector } from 'undici'
import { systemCode } from '../errors.ts'

/** TLS alerts by which a server refuses a client's certificate, or the lack of one (RFC 8446 §6.2). */
export const REFUSED_CERTIFICATE =
  /ERR_SSL_.*ALERT_(?:.*CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)/

export class CertificateRefusal {
  /** Of the socket: what is said of it later may only follow from this. */
  firstError: Error | undefined
  readonly #hasCertificate: boolean
  /** TLS 1.3, a certificate, and nothing has come from the server since. */
  #isUnanswered = false

  constructor(hasCertificate: boolean) {
    this.#hasCertificate = hasCertificate
  }

  /** @returns the connector, watched: for one connection at a time */
  watch(connect: buildConnector.connector): buildConnector.connector {
    return (target, done) =>
      connect(target, (...result) => {
        if (result[0] === null) this.#listen(result[1] as TLSSocket)
        done(...result)
      })
  }

  /** Neither the last connection nor, once there is a response, this one refuses any more. */
  forget(): void {
    this.firstError = undefined
    this.#isUnanswered = false
  }

  /**
   * @param error what the exchange failed with, before there was a response
   * @returns what the server did, if that was it; completes "the token server …"
   */
  reason(error: unknown): string | undefined {
    const code = systemCode(this.firstError ?? error)
    if (REFUSED_CERTIFICATE.test(code)) {
      return this.#hasCertificate
        ? `refused the client certificate (${code})`
        : `refused a connection without a client certificate (${code})`
    }
    // Some servers send no alert. One that has accepted the certificate begins with a session ticket.
    return this.#isUnanswered && CLOSED.has(code)
      ? `closed the connection as soon as it had seen the client certificate (${code})`
      : undefined
  }

  #listen(socket: TLSSocket): void {
    socket.once('error', (error) => (this.firstError ??= error))
    if (!this.#hasCertificate || socket.getProtocol?.() !== 'TLSv1.3') return
    this.#isUnanswered = true
    socket.once('session', () => (this.#isUnanswered = false))
  }
}

const CLOSED: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])
