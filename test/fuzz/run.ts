/** One run: sessions from a seed, many at a time, until the time is over or something is found. */
import { createRandom, pick, type Random } from '../drill/random.ts'
import { play } from './caller.ts'
import { generate } from './generate.ts'
import { cutsOf, mutate } from './mutate.ts'
import { Session, type Ending, type Finding, type Plan } from './session.ts'
import { idOf } from './sessions.ts'
import { playAlone, shrink } from './shrink.ts'
import { startWorld, type World } from './world.ts'

export interface FuzzOptions {
  readonly seed: number
  readonly seconds: number
  /** Told every second. */
  readonly onProgress: (tally: Tally) => void
}

/** Sessions by what came back first: a status with its code, or nothing. */
export type Tally = Map<string, number>

export interface FuzzResult {
  readonly tally: Tally
  readonly findings: readonly Finding[]
  /** Of the run as a whole, and of nobody in particular. */
  readonly faults: readonly string[]
}

const AT_ONCE = 16
/** Of the answers of the API. */
const HOSTILITY = 0.05
const ENDINGS: readonly [Ending, ...Ending[]] = ['wait', 'wait', 'wait', 'half-close', 'leave']
const PROGRESS_MS = 1_000

/** The same index gives the same session whatever happened before. */
const planFor = (seed: number, index: number): Plan => {
  const random = createRandom((seed * 1_000_003 + index) >>> 0)
  const id = idOf(index)
  const bytes = mutate(random, generate(random, id))
  return { id, bytes, cuts: cutsOf(random, bytes.length), ending: pick(random, ENDINGS) }
}

const outcomeOf = (session: Session): string => {
  const [first] = session.answers().answers
  if (first === undefined) return 'no answer'
  return first.code === undefined ? String(first.status) : `${first.status} ${first.code}`
}

class Run {
  readonly tally: Tally = new Map()
  readonly findings: Finding[] = []
  readonly #world: World
  readonly #options: FuzzOptions
  readonly #deadline: number
  #next = 0

  constructor(world: World, options: FuzzOptions) {
    this.#world = world
    this.#options = options
    this.#deadline = performance.now() + options.seconds * 1_000
  }

  async work(): Promise<void> {
    const { sessions, port } = this.#world
    while (this.#goesOn()) {
      const session = new Session(planFor(this.#options.seed, this.#next))
      this.#next += 1
      sessions.add(session)
      // oxlint-disable-next-line no-await-in-loop -- one after the other; others run beside it
      this.#note(session, await play(port, session))
      const outcome = outcomeOf(session)
      this.tally.set(outcome, (this.tally.get(outcome) ?? 0) + 1)
      const noted = session.faults.length
      sessions.end(session, () => this.#note(session, session.faults.slice(noted)))
    }
  }

  #goesOn(): boolean {
    const { isRunning, faults } = this.#world
    const isClean = this.findings.length === 0 && faults.length === 0
    return isClean && isRunning() && performance.now() < this.#deadline
  }

  #note({ plan, received }: Session, faults: readonly string[]): void {
    for (const what of faults) this.findings.push({ what, plan, received })
  }
}

/** What was found, and behind it the first that is found alone, too, made as small as it gets. */
const explain = async (world: World, { findings }: Run): Promise<Finding[]> => {
  const suspects = findings.length > 0 ? findings.map(({ plan }) => plan) : world.sessions.plans
  for (const plan of new Set(suspects)) {
    // oxlint-disable-next-line no-await-in-loop -- one at a time is the point
    const finding = await playAlone(world, plan)
    // oxlint-disable-next-line no-await-in-loop
    if (finding !== undefined) return [...findings, await shrink(world, finding)]
  }
  return [...findings]
}

export const fuzz = async (options: FuzzOptions): Promise<FuzzResult> => {
  const random: Random = createRandom(options.seed)
  const world = await startWorld({ random, hostility: HOSTILITY })
  const run = new Run(world, options)
  const progress = setInterval(() => options.onProgress(run.tally), PROGRESS_MS)
  await Promise.all(Array.from({ length: AT_ONCE }, () => run.work()))
  clearInterval(progress)
  const faults = [...world.faults]
  const isClean = run.findings.length === 0 && faults.length === 0
  const findings = isClean || !world.isRunning() ? run.findings : await explain(world, run)
  return { tally: run.tally, findings, faults: [...faults, ...(await world.stop())] }
}
