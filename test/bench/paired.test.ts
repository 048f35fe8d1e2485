/** What a command line of the benchmark starts, and the ratios that it reports. */
import t from 'tap'
import { startFlags } from '../../scripts/start-command.ts'
import { contestantsOf } from '../../bench/paired.ts'
import { planOf } from '../../bench/plan.ts'
import { ratioOf, spreadOf, type Results, type Round } from '../../bench/results.ts'
import type { Surroundings } from '../../bench/surroundings.ts'
import { pairedTable } from '../../bench/tables.ts'

const FILE = import.meta.filename

/** The commands of the processes that would be started. */
const commandsOf = async (list: string, flags?: string): Promise<(readonly string[])[]> => {
  const commands: (readonly string[])[] = []
  const startProxy = (command: readonly string[]) => {
    commands.push(command)
    return {}
  }
  const surroundings = { upstream: {}, startProxy } as unknown as Surroundings
  for (const peer of contestantsOf(list, flags)) await peer.start(surroundings, false)
  return commands
}

const FORMS: Readonly<Record<string, [list: string, flags: string | undefined, wanted: string[]]>> =
  {
    'as npm start has them': [`a=${FILE}`, undefined, [...startFlags()]],
    'those given for all': [`a=${FILE}`, '--jitless  --expose-gc', ['--jitless', '--expose-gc']],
    'its own': [`a=${FILE}@--jitless --no-opt=x`, '--expose-gc', ['--jitless', '--no-opt=x']],
    'none, if it has an empty list of its own': [`a=${FILE}@`, '--expose-gc', []],
  }

for (const [title, [list, flags, wanted]] of Object.entries(FORMS)) {
  t.test(`the flags of a contestant: ${title}`, async (t) => {
    t.same(await commandsOf(list, flags), [[process.execPath, ...wanted, FILE]])
  })
}

t.test('the plain peer has the same flags as its neighbours', async (t) => {
  const [, plain = []] = await commandsOf(`a=${FILE},plain=plain-http-proxy`, '--jitless')
  t.same(plain.slice(0, 2), [process.execPath, '--jitless'])
  t.match(plain[2], /peers\/plain-http-proxy\.mjs$/)
})

for (const list of [`a=${FILE},b=/nowhere.mjs`, `a=${FILE},a=${FILE}`, FILE]) {
  t.test(`refused: ${list.replaceAll(FILE, 'FILE')}`, async (t) => {
    t.throws(() => contestantsOf(list, undefined))
  })
}

t.test('a paired run is not kept and starts with the scenarios of its own', async (t) => {
  const plan = planOf(['--paired', `a=${FILE}`, '--container', '128m,0.5'], [])!
  t.same([plan.paired, plan.keep, plan.starts, plan.renewal], [true, false, 0, 0])
  t.same(
    plan.scenarios.map(({ id }) => id),
    ['get-32', 'get-256', 'post-32', 'links-100k', 'down-10m'],
  )
  t.same(plan.limit, { bytes: 128 * 2 ** 20, cpus: 0.5 })
})

t.test('what is only run when asked for is no part of the thorough run', async (t) => {
  t.notOk(planOf([], [])!.scenarios.some(({ id }) => id === 'downloads'))
  t.same(
    planOf(['--downloads'], [])!.scenarios.map(({ id }) => id),
    ['downloads'],
  )
})

t.test('no limit is guessed', async (t) => {
  for (const text of ['128', '128x', '128m,', '128m,one', '-1m']) {
    t.throws(() => planOf([`--container=${text}`], []), { message: /is no limit/ }, text)
  }
})

const roundOf = (cpu: number): Round => ({ cpu, busy: 1, perSecond: 1, p50: 1, p99: 1, opened: 0 })

const results: Results = {
  date: '',
  node: '',
  setting: [],
  peers: ['first', 'second', 'third'].map((id) => ({ id, name: id })),
  scenarios: [{ id: 's', name: 'S' }],
  outcomes: [
    { scenario: 's', peer: 'first', rounds: [10, 20, 40, 50].map(roundOf) },
    { scenario: 's', peer: 'second', rounds: [10, 30, 80, 150].map(roundOf), containerPeak: 77 },
    { scenario: 's', peer: 'third', rounds: [roundOf(1)], failure: 'killed at 128 MB' },
  ],
  starts: [],
}

t.test('ratios are taken round by round: their median and their quartiles', async (t) => {
  // 1, 1.5, 2, 3
  const pair = { peer: 'second', base: 'first' }
  t.equal(ratioOf(results, 's', pair), 1.75)
  t.same(spreadOf(results, 's', pair), [1.375, 2.25])
})

t.test('the table says who was killed, and what the container has seen', async (t) => {
  const [, , first, second, third] = pairedTable(results, 's').split('\n')
  t.match(first, /^\| first \| 30\.0 \| 1\.000 \| 1\.000–1\.000 \|/)
  t.match(second, /^\| second \| 55\.0 \| 1\.750 \| 1\.375–2\.250 \|.* container 77 \|/)
  t.match(third, /^\| third \| killed at 128 MB \| +\|/)
})
