/** Plays one session over a raw socket: writes, waits as planned, and tells what was wrong. */
import net, { type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { systemCode } from '../../src/errors.ts'
import type { Session } from './session.ts'

/** Above every limit that the proxy has been given. */
const HANG_MS = 8_000
/** For what may come back of a request that is not whole; nothing has to. */
const LINGER_MS = 5

const pieces = (bytes: string, cuts: readonly number[]): string[] =>
  [...cuts, bytes.length].map((end, i) => bytes.slice(i === 0 ? 0 : cuts[i - 1], end))

const write = async (socket: Socket, { plan }: Session): Promise<void> => {
  for (const piece of pieces(plan.bytes, plan.cuts)) {
    if (!socket.writable) return
    socket.write(piece, 'latin1')
    // oxlint-disable-next-line no-await-in-loop -- one write after the other
    if (plan.cuts.length > 0) await turn()
  }
  if (plan.ending === 'half-close') socket.end()
}

type Outcome = 'ended' | 'answered' | 'left' | 'hang'

/** Resolves once there is nothing more to wait for. */
const outcomeOf = (socket: Socket, session: Session): Promise<Outcome> =>
  new Promise((resolve) => {
    const { plan, reading } = session
    const hang = setTimeout(() => resolve('hang'), HANG_MS)
    const settle = (outcome: Outcome): void => {
      clearTimeout(hang)
      resolve(outcome)
    }
    const isOwedNothing = !(reading.rest instanceof Error) && session.complete === 0
    const mayLeave = plan.ending === 'leave' || (plan.ending === 'wait' && isOwedNothing)
    socket.on('data', (chunk: Buffer) => {
      session.received += chunk.toString('latin1')
      if (plan.ending === 'wait' && session.isAnswered()) settle('answered')
    })
    socket.on('close', () => settle('ended'))
    if (mayLeave) setTimeout(() => settle('left'), LINGER_MS)
  })

/** @returns what was wrong */
export const play = async (port: number, session: Session): Promise<string[]> => {
  const socket = net.connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  let failure: unknown
  socket.on('error', (error) => (failure = error))
  const over = outcomeOf(socket, session)
  await write(socket, session)
  const outcome = await over
  socket.destroy()
  if (outcome === 'hang') return [...session.faults, `no end after ${HANG_MS} ms`]
  // The system has run out of ports: so many connections were there a moment ago.
  if (outcome === 'left' || systemCode(failure) === 'EADDRNOTAVAIL') return session.faults
  const ending = failure === undefined ? '' : ` (${systemCode(failure)})`
  return session.judge(failure !== undefined).map((fault) => fault + ending)
}
