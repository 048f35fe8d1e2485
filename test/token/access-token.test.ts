import t from 'tap'
import {
  ageOf,
  createAccessToken,
  freshness,
  type Freshness,
} from '../../src/token/access-token.ts'

const START = { monotonic: 1000, wall: Date.UTC(2026, 0, 1) }
const HOUR = 3_600_000
const create = (lifetime: number, spread = 0.5) =>
  createAccessToken('header.payload.signature', lifetime, START, spread)
const at = (age: number) => ({ monotonic: START.monotonic + age, wall: START.wall + age })

t.test('the token is sent as a bearer token', async (t) => {
  t.match(create(HOUR), {
    value: 'header.payload.signature',
    authorization: 'Bearer header.payload.signature',
    requestedAt: START,
    lifetime: HOUR,
  })
})

const MARGINS: readonly [seconds: number, margin: number][] = [
  [43_200, 60],
  [3_600, 60],
  [600, 60],
  [300, 30],
  [60, 6],
  [50, 5],
  [20, 5],
  [10, 5],
  [6, 3],
  [1, 0.5],
]

for (const [seconds, margin] of MARGINS) {
  t.test(`the last ${margin} s of ${seconds} s are not used`, async (t) => {
    t.equal(create(seconds * 1000).hardAge, (seconds - margin) * 1000)
  })
}

t.test('renewal is due between 45 and 55 % of the lifetime', async (t) => {
  t.equal(create(HOUR, 0).softAge, 0.45 * HOUR)
  t.equal(create(HOUR, 0.5).softAge, 0.5 * HOUR)
  t.equal(Math.round(create(HOUR, 1).softAge), 1_980_000)
})

t.test('renewal is never due after the last moment of use', async (t) => {
  t.equal(create(10_000, 0.9).softAge, 5_000)
  t.equal(create(10_000, 0.9).hardAge, 5_000)
})

const AGES: readonly [age: number, freshness: Freshness][] = [
  [0, 'fresh'],
  [149_999, 'fresh'],
  [150_000, 'soft'],
  [269_999, 'soft'],
  [270_000, 'hard'],
  [299_999, 'hard'],
  [300_000, 'expired'],
  [9_000_000, 'expired'],
]

for (const [age, expected] of AGES) {
  t.test(`a token of 300 s is ${expected} at ${age} ms`, async (t) => {
    t.equal(freshness(create(300_000), at(age)), expected)
  })
}

t.test('a token grows old while the machine sleeps', async (t) => {
  const woken = { monotonic: START.monotonic, wall: START.wall + 300_000 }
  t.equal(freshness(create(300_000), woken), 'expired')
})

t.test('a wall clock that is set back makes no token younger', async (t) => {
  const setBack = { monotonic: START.monotonic + 300_000, wall: START.wall - HOUR }
  t.equal(freshness(create(300_000), setBack), 'expired')
})

const CLOCKS: Record<string, [monotonic: number, wall: number, age: number]> = {
  'counts from before its request': [0, 0, 0],
  'grows with time': [5_000, 5_000, 5_000],
  'grows while the machine sleeps': [5_000, HOUR, HOUR],
  'does not shrink when the wall clock is set back': [5_000, -HOUR, 5_000],
}

for (const [title, [monotonic, wall, age]] of Object.entries(CLOCKS)) {
  t.test(`the age of a token ${title}`, async (t) => {
    const now = { monotonic: START.monotonic + monotonic, wall: START.wall + wall }
    t.equal(ageOf(create(HOUR), now), age)
  })
}
