import t from 'tap'
import { RenewalLimit } from '../../src/token/renewal.ts'

const at = (ms: number) => ({ monotonic: ms, wall: 1_767_225_600_000 + ms })
const OLD = 10_000
const YOUNG = 9_999

/** Tokens that the API rejects, told apart by identity. */
const A = { name: 'a' }
const B = { name: 'b' }
const C = { name: 'c' }
const D = { name: 'd' }

/** A rejection of a token at some age, or an answer that accepts one. */
type Event = readonly [time: number, token: object, age: number, allowed: boolean] | 'accepted'

const CASES: Record<string, readonly Event[]> = {
  'the first rejection forces a renewal': [[0, A, OLD, true]],
  'a young token may be renewed too': [[0, A, YOUNG, true]],
  'one renewal is forced in 10 s': [
    [0, A, OLD, true],
    [1, A, OLD, false],
    [9_999, B, OLD, false],
    [10_000, B, OLD, true],
    [19_999, C, OLD, false],
    [20_000, C, OLD, true],
  ],
  'the third young token that is rejected closes the door for 60 s': [
    [0, A, YOUNG, true],
    [10_000, B, YOUNG, true],
    [20_000, C, YOUNG, false],
    [30_000, C, OLD, false],
    [79_999, C, OLD, false],
    [80_000, C, OLD, true],
  ],
  'tokens count that were rejected too early to be renewed': [
    [0, A, 0, true],
    [1, B, 1, false],
    [2, C, 1, false],
    [10_000, C, OLD, false],
    [60_001, C, OLD, false],
    [60_002, C, OLD, true],
  ],
  'many rejections of one young token count once': [
    [0, A, YOUNG, true],
    [1, B, 1, false],
    [2, B, 2, false],
    [3, B, 3, false],
    [4, B, 4, false],
    [10_000, B, OLD, true],
  ],
  'old tokens count for nothing, neither way': [
    [0, A, OLD, true],
    [10_000, B, OLD, true],
    [20_000, C, OLD, true],
    [30_000, D, YOUNG, true],
    [40_000, A, YOUNG, true],
    [50_000, B, OLD, true],
    [60_000, C, YOUNG, false],
  ],
  'a token that the API accepts starts the count anew': [
    [0, A, YOUNG, true],
    [10_000, B, YOUNG, true],
    'accepted',
    [20_000, C, YOUNG, true],
    [30_000, D, YOUNG, true],
    [40_000, A, YOUNG, false],
  ],
  'a token that the API accepts opens no closed door': [
    [0, A, YOUNG, true],
    [10_000, B, YOUNG, true],
    [20_000, C, YOUNG, false],
    'accepted',
    [79_999, D, OLD, false],
  ],
  'nor does it shorten the time between two renewals': [
    [0, A, OLD, true],
    'accepted',
    [9_999, B, OLD, false],
  ],
  'behind the closed door nothing counts, and after it the count starts anew': [
    [0, A, YOUNG, true],
    [1, B, YOUNG, false],
    [2, C, YOUNG, false],
    [3, D, YOUNG, false],
    [59_999, A, YOUNG, false],
    [60_002, B, YOUNG, true],
    [70_002, C, YOUNG, true],
    [80_002, D, YOUNG, false],
  ],
}

for (const [title, events] of Object.entries(CASES)) {
  t.test(title, async (t) => {
    const limit = new RenewalLimit()
    for (const event of events) {
      if (event === 'accepted') {
        limit.accepted()
        continue
      }
      const [time, token, age, allowed] = event
      t.equal(limit.allows(token, age, at(time)), allowed, `after ${time} ms`)
    }
  })
}

t.test('the sleep of the machine counts, a wall clock set back does not', async (t) => {
  const limit = new RenewalLimit()
  t.equal(limit.allows(A, OLD, at(0)), true)
  t.equal(limit.allows(B, OLD, { monotonic: 9_999, wall: at(-3_600_000).wall }), false)
  t.equal(limit.allows(B, OLD, { monotonic: 9_999, wall: at(3_600_000).wall }), true)
})
