/**
 * One run: sessions from a seed, many at a time, until the time is over or something is found. What is
 * found is made as small as it gets, and told with the bytes that cause it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom, pick } from '../fixtures/random.ts'
import { cutsOf, generate } from './generate.ts'
import { idOf, play, Session, type Ending, type Plan } from './session.ts'
import { StopSearch } from './stops.ts'
import { startWorld, type World } from './world.ts'

export interface FuzzOptions {
  readonly seed: number
  readonly seconds: number
  /** Told every second. */
  readonly onProgress: (tally: Tally) => void
}

/** Sessions by what came back first: a status with its code, or nothing. */
export type Tally = Map<string, number>

interface Finding {
  readonly what: string
  readonly plan: Plan
  /** What the caller got. */
  readonly received: string
}

export interface FuzzResult {
  readonly tally: Tally
  readonly findings: readonly Finding[]
  /** Of the run as a whole, and of nobody in particular. */
  readonly faults: readonly string[]
}

export const fuzz = async (options: FuzzOptions): Promise<FuzzResult> => {
  const world = await startWorld(createRandom(options.seed), HOSTILITY)
  const run = new Run(world, options)
  const progress = setInterval(() => options.onProgress(run.tally), PROGRESS_MS)
  const searching = run.stops.search(run.goesOn)
  await Promise.all(Array.from({ length: AT_ONCE }, () => run.work()))
  await searching
  clearInterval(progress)
  for (const { plan, stop } of await run.stops.confirm(world)) {
    run.findings.push({ what: `stops all others for ${stop.toFixed(0)} ms`, plan, received: '' })
  }
  const faults = [...world.faults]
  const isClean = run.findings.length === 0 && faults.length === 0
  const findings = isClean || !world.isRunning() ? run.findings : await explain(world, run)
  return { tally: run.tally, findings, faults: [...faults, ...(await world.stop())] }
}

export const progress = (tally: Tally): string => {
  const outcomes = byCount(tally).map(([outcome, count]) => `${outcome}: ${count}`)
  return `${total(tally)} sessions; ${outcomes.join(', ')}\n`
}

export const verdict = ({ tally, findings, faults }: FuzzResult): string => {
  const lines = [...faults.map((what) => `fault: ${what}\n`), ...findings.map(shown)]
  const count = lines.length === 0 ? 'nothing found' : `${lines.length} found`
  const outcomes = byCount(tally).map(([name, n]) => `  ${String(n).padStart(7)}  ${name}\n`)
  return `${lines.join('')}verdict: ${count} in ${total(tally)} sessions\n${outcomes.join('')}`
}

const AT_ONCE = 16
/** Of the answers of the API. */
const HOSTILITY = 0.05
const ENDINGS: readonly Ending[] = ['wait', 'wait', 'wait', 'half-close', 'leave']
const PROGRESS_MS = 1_000

/** The same index gives the same session whatever happened before. */
const planFor = (seed: number, index: number): Plan => {
  const random = createRandom((seed * 1_000_003 + index) >>> 0)
  const id = idOf(index)
  const bytes = generate(random, id)
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
  readonly stops: StopSearch
  readonly #world: World
  readonly #seed: number
  readonly #deadline: number
  #next = 0

  constructor(world: World, { seed, seconds }: FuzzOptions) {
    this.#world = world
    this.stops = new StopSearch(world)
    this.#seed = seed
    this.#deadline = performance.now() + seconds * 1_000
  }

  async work(): Promise<void> {
    const { sessions, port } = this.#world
    while (this.goesOn()) {
      const session = new Session(planFor(this.#seed, this.#next))
      this.#next += 1
      sessions.add(session)
      this.stops.begin(session.plan)
      this.#note(session, await play(port, session))
      this.stops.end(session.plan)
      const outcome = outcomeOf(session)
      this.tally.set(outcome, (this.tally.get(outcome) ?? 0) + 1)
      const noted = session.faults.length
      sessions.end(session, () => this.#note(session, session.faults.slice(noted)))
    }
  }

  readonly goesOn = (): boolean => {
    const { isRunning, faults } = this.#world
    const isClean = this.findings.length === 0 && faults.length === 0
    return isClean && isRunning() && performance.now() < this.#deadline
  }

  #note({ plan, received }: Session, faults: readonly string[]): void {
    for (const what of faults) this.findings.push({ what, plan, received })
  }
}

/** What was found, and behind it the first that is found alone, too, made as small as it gets. */
const explain = async (world: World, { findings }: Run): Promise<readonly Finding[]> => {
  const suspects = findings.length > 0 ? findings.map(({ plan }) => plan) : world.sessions.plans
  for (const plan of new Set(suspects)) {
    const finding = await playAlone(world, plan)
    if (finding !== undefined) return [...findings, await shrink(world, finding)]
  }
  return findings
}

/** So many tries, because each is a connection and a hang takes its time. */
const MOST_TRIES = 200
const BUDGET_MS = 30_000
const SETTLE_MS = 20

/** Plays it while nothing else happens, so that all that is wrong is its own. */
const playAlone = async (world: World, plan: Plan): Promise<Finding | undefined> => {
  world.sessions.clear()
  world.faults.length = 0
  const session = new Session(plan)
  world.sessions.add(session)
  const faults = await play(world.port, session)
  await sleep(SETTLE_MS)
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
const shrink = async (world: World, found: Finding): Promise<Finding> => {
  const deadline = performance.now() + BUDGET_MS
  let best = found
  let tries = 0
  for (let improved = true; improved;) {
    improved = false
    for (const candidate of smaller(best.plan)) {
      if (tries >= MOST_TRIES || performance.now() > deadline || !world.isRunning()) return best
      tries += 1
      const finding = await playAlone(world, candidate)
      if (finding === undefined) continue
      best = finding
      improved = true
      break
    }
  }
  return best
}

const total = (tally: Tally): number => [...tally.values()].reduce((sum, count) => sum + count, 0)

const byCount = (tally: Tally) => [...tally].toSorted(([, a], [, b]) => b - a)

const shown = ({ what, received, plan: { bytes, ending, cuts } }: Finding): string =>
  [
    `finding: ${what}`,
    `  then: ${ending}${cuts.length === 0 ? '' : `, cut at ${cuts.join(', ')}`}`,
    `  bytes: ${JSON.stringify(bytes)}`,
    `  received: ${JSON.stringify(received.slice(0, 2_000))}`,
    `  hex: ${Buffer.from(bytes, 'latin1').toString('hex')}\n`,
  ].join('\n')
