/**
 * TCP connections to hosts of several addresses (RFC 8305, Happy Eyeballs): the next one is tried when
 * the one before has failed, or said nothing for 250 ms, and the first that answers is taken. Node does
 * not wait for the others any more by then, although a slow line or one lost packet takes longer.
 */
import dns, { type LookupAddress } from 'node:dns'
import { connect, type Socket } from 'node:net'
import { promisify } from 'node:util'
import { systemCode } from '../errors.ts'

/**
 * @param host a name, or an address without brackets
 * @param signal gives up
 * @throws what looking up or connecting throws, or the reason of the signal
 */
export const openConnection = async (
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<Socket> => {
  const lookup = promisify(dns.lookup)(host, { all: true, hints: dns.ADDRCONFIG })
  return connectToFirst(await unlessAborted(signal, lookup), port, signal)
}

/** @throws of several failures that of an address to which there is a way */
export const connectToFirst = (
  addresses: readonly LookupAddress[],
  port: number,
  signal: AbortSignal,
): Promise<Socket> => {
  const waiting = byTurns(addresses)
  const trying = new Set<Socket>()
  const failures: Error[] = []
  let timer: NodeJS.Timeout | undefined
  const attempt = (won: (socket: Socket) => void, lost: (failure: unknown) => void): void => {
    clearTimeout(timer)
    const host = waiting.shift()
    if (host === undefined) return
    const socket = connect({ host, port, ...SOCKET })
    trying.add(socket)
    socket.once('connect', () => won(socket))
    socket.on('error', (error) => {
      if (!trying.delete(socket)) return
      failures.push(error)
      if (waiting.length > 0) attempt(won, lost)
      else if (trying.size === 0) lost(failures.toSorted(reachedFirst)[0])
    })
    timer = setTimeout(attempt, NEXT_ATTEMPT_MS, won, lost)
  }
  const race = new Promise<Socket>((resolve, reject) => {
    attempt((socket) => {
      trying.delete(socket)
      resolve(socket)
    }, reject)
  })
  return unlessAborted(signal, race).finally(() => {
    clearTimeout(timer)
    for (const socket of trying) socket.destroy()
  })
}

/** Rejects as soon as `signal` aborts, for work that cannot be ended. */
export const unlessAborted = <T>(signal: AbortSignal, work: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason)
    if (signal.aborted) giveUp()
    signal.addEventListener('abort', giveUp, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp))
  })

/** As undici has them. */
const SOCKET = {
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
  noDelay: true,
  highWaterMark: 64 * 1024,
}

const NEXT_ATTEMPT_MS = 250

/** The families alternate, so that one without a way out costs one attempt. */
const byTurns = (addresses: readonly LookupAddress[]): string[] => {
  const turns = new Map<number, number>()
  return addresses
    .map(({ address, family }) => {
      const turn = turns.get(family) ?? 0
      turns.set(family, turn + 1)
      return { address, turn }
    })
    .toSorted((a, b) => a.turn - b.turn)
    .map(({ address }) => address)
}

const reachedFirst = (a: Error, b: Error): number => Number(isReached(b)) - Number(isReached(a))

/** Which says more than that there is no IPv6 here. */
const isReached = (error: Error): boolean =>
  !/^(?:ENETUNREACH|EADDRNOTAVAIL|EAFNOSUPPORT)$/.test(systemCode(error))
