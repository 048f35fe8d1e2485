/**
 * Requests that stop the proxy for all others. Many are under way when it is stopped: each is played
 * again alone, and counts only if it stops the proxy every time, which a collection of garbage or code
 * that is not compiled yet does not.
 */
import { MAX_STOP_MS, StopWatch } from '../fixtures/stop-watch.ts'
import { play, Session, type Plan } from './session.ts'
import type { World } from './world.ts'

export class StopSearch {
  readonly #watch: StopWatch
  readonly #playing = new Set<Plan>()
  /** Under way since the probe before. */
  #seen = new Set<Plan>()
  readonly #suspects = new Set<Plan>()

  constructor({ port, pid }: Pick<World, 'port' | 'pid'>) {
    this.#watch = new StopWatch(port, pid)
  }

  begin(plan: Plan): void {
    this.#playing.add(plan)
    this.#seen.add(plan)
  }

  end(plan: Plan): void {
    this.#playing.delete(plan)
  }

  async search(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      const stopped = await this.#watch.probe()
      if (stopped > MAX_STOP_MS) for (const plan of this.#seen) this.#suspects.add(plan)
      this.#seen = new Set(this.#playing)
    }
  }

  /** @returns those that do it alone, with the shortest stop, in ms */
  async confirm(world: World): Promise<readonly { plan: Plan; stop: number }[]> {
    const found: { plan: Plan; stop: number }[] = []
    const largest = [...this.#suspects].toSorted((a, b) => b.bytes.length - a.bytes.length)
    for (const plan of largest.slice(0, MOST_SUSPECTS)) {
      const stop = await this.#shortest(world, plan)
      if (stop > MAX_STOP_MS) found.push({ plan, stop })
    }
    this.#watch.close()
    return found
  }

  async #shortest(world: World, plan: Plan): Promise<number> {
    let shortest = Infinity
    for (let i = 0; i < TIMES && shortest > MAX_STOP_MS && world.isRunning(); i += 1) {
      const session = new Session(plan)
      world.sessions.add(session)
      const stop = await this.#watch.during(play(world.port, session))
      shortest = Math.min(shortest, stop)
    }
    return shortest
  }
}

const MOST_SUSPECTS = 30
const TIMES = 3
