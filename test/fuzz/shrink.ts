/** A finding → the fewest bytes that still cause it. */
import { play } from './caller.ts'
import { Session, type Finding, type Plan } from './session.ts'
import type { World } from './world.ts'

/** So many tries, because each is a connection and a hang takes its time. */
const MOST_TRIES = 200
const BUDGET_MS = 30_000
const SETTLE_MS = 20

/** Plays it while nothing else happens, so that all that is wrong is its own. */
export const playAlone = async (world: World, plan: Plan): Promise<Finding | undefined> => {
  world.sessions.clear()
  world.faults.length = 0
  const session = new Session(plan)
  world.sessions.add(session)
  const faults = await play(world.port, session)
  await new Promise((resolve) => {
    setTimeout(resolve, SETTLE_MS)
  })
  const [what] = [...faults, ...world.faults.splice(0)]
  return what === undefined ? undefined : { what, plan, received: session.received }
}

/** The same without some of its bytes, larger pieces first. */
const smaller = function* ({ bytes, ...plan }: Plan): Generator<Plan> {
  for (let size = bytes.length / 2; size >= 1; size /= 2) {
    const length = Math.ceil(size)
    for (let at = 0; at < bytes.length; at += length) {
      yield { ...plan, cuts: [], bytes: bytes.slice(0, at) + bytes.slice(at + length) }
    }
  }
}

/** @returns the smallest that was found */
export const shrink = async (world: World, found: Finding): Promise<Finding> => {
  const deadline = performance.now() + BUDGET_MS
  let best = found
  let tries = 0
  for (let improved = true; improved;) {
    improved = false
    for (const candidate of smaller(best.plan)) {
      if (tries >= MOST_TRIES || performance.now() > deadline || !world.isRunning()) return best
      tries += 1
      // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
      const finding = await playAlone(world, candidate)
      if (finding === undefined) continue
      best = finding
      improved = true
      break
    }
  }
  return best
}
