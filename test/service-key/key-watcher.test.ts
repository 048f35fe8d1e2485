import t, { type Test } from 'tap'
import { EventEmitter } from 'node:events'
import { mkdirSync, renameSync, rmSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import { watchKey, type KeyWatcherOptions } from '../../src/service-key/key-watcher.ts'
import { createKubeletVolume } from '../fixtures/kubelet-volume.ts'
import { ManualClock } from '../fixtures/manual-clock.ts'

const POLL_MS = 30_000
const DEBOUNCE_MS = 500

const start = (
  t: Test,
  options: Pick<KeyWatcherOptions, 'places'> & Partial<KeyWatcherOptions>,
) => {
  const clock = new ManualClock()
  const seen = { looks: 0, problems: [] as string[] }
  const watcher = watchKey({
    watch,
    clock,
    poll: POLL_MS,
    onChange: () => (seen.looks += 1),
    onProblem: (code, directory) => seen.problems.push(`${code} ${directory}`),
    ...options,
  })
  t.teardown(() => watcher.close())
  /** Waits for an event of the file system, and for the looks that follow from it. */
  const eventful = async (): Promise<number> => {
    const before = seen.looks
    while (clock.pending < 2) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    await clock.advance(DEBOUNCE_MS - 1)
    t.equal(seen.looks, before, 'not while events may follow')
    await clock.advance(1)
    return seen.looks - before
  }
  return { clock, seen, watcher, eventful }
}

t.test('a mounted Secret: every update is seen, once', async (t) => {
  const volume = createKubeletVolume(t.testdir(), { clientid: '0' })
  const { seen, eventful } = start(t, { places: [{ directory: volume.path }] })
  for (const clientid of ['1', '2', '3']) {
    volume.write({ clientid })
    t.equal(await eventful(), 1, `update ${clientid}`)
  }
  t.strictSame(seen.problems, [])
})

t.test('a key file', async (t) => {
  const changes: Record<string, (path: string) => void> = {
    'written in place': (path) => writeFileSync(path, 'new'),
    'replaced by another, as editors do': (path) => {
      writeFileSync(`${path}~`, 'new')
      renameSync(`${path}~`, path)
    },
    'removed and made again': (path) => {
      rmSync(path)
      writeFileSync(path, 'new')
    },
  }
  for (const [title, change] of Object.entries(changes)) {
    t.test(`${title} is seen, again and again`, async (t) => {
      const directory = t.testdir({ 'key.json': 'old' })
      const { eventful } = start(t, { places: [{ directory, file: 'key.json' }] })
      for (const round of [1, 2, 3]) {
        change(join(directory, 'key.json'))
        t.equal(await eventful(), 1, `round ${round}`)
      }
    })
  }

  t.test('in a mounted Secret is seen, although no event has its name', async (t) => {
    const volume = createKubeletVolume(t.testdir(), { 'key.json': 'old' })
    const { eventful } = start(t, { places: [{ directory: volume.path, file: 'key.json' }] })
    volume.write({ 'key.json': 'new' })
    t.equal(await eventful(), 1)
  })
})

t.test('one of several directories is enough', async (t) => {
  const root = t.testdir({ first: {}, second: {} })
  const places = ['first', 'second'].map((name) => ({ directory: join(root, name) }))
  const { eventful } = start(t, { places })
  writeFileSync(join(root, 'second', 'clientid'), 'new')
  t.equal(await eventful(), 1)
})

/** A key file in a directory that can be taken away. */
const startInPlace = (t: Test) => {
  const directory = join(t.testdir(), 'key')
  const write = (): void => writeFileSync(join(directory, 'key.json'), 'new')
  mkdirSync(directory)
  return { directory, write, ...start(t, { places: [{ directory, file: 'key.json' }] }) }
}

t.test('a directory', async (t) => {
  t.test('that is replaced by another is followed', async (t) => {
    const { directory, eventful, write } = startInPlace(t)
    renameSync(directory, `${directory}.old`)
    mkdirSync(directory)
    t.equal(await eventful(), 1)
    write()
    t.equal(await eventful(), 1)
  })

  t.test('that is deleted is watched again from the poll after its return on', async (t) => {
    const { directory, clock, seen, eventful, write } = startInPlace(t)
    rmSync(directory, { recursive: true })
    t.equal(await eventful(), 1)
    await clock.advance(POLL_MS)
    t.strictSame(seen.problems, [`ENOENT ${directory}`], 'told once')
    mkdirSync(directory)
    await clock.advance(POLL_MS)
    write()
    t.equal(await eventful(), 1)
    rmSync(directory, { recursive: true })
    t.equal(await eventful(), 1)
    t.equal(seen.problems.length, 2, 'and again when it happens again')
  })

  t.test('that is not there at the start is watched once it is', async (t) => {
    const directory = join(t.testdir(), 'key')
    const { clock, seen, eventful } = start(t, { places: [{ directory }] })
    t.strictSame(seen.problems, [`ENOENT ${directory}`])
    mkdirSync(directory)
    await clock.advance(POLL_MS)
    writeFileSync(join(directory, 'clientid'), 'new')
    t.equal(await eventful(), 1)
  })
})

/** Events as a test sends them, and how many watches are open. */
class Watches extends EventEmitter {
  open = 0
  refused: string | undefined

  readonly watch = () => {
    if (this.refused !== undefined) throw Object.assign(new Error('no'), { code: this.refused })
    this.open += 1
    const watch = new EventEmitter()
    const forward = (name: string | null): boolean => watch.emit('change', 'rename', name)
    const fail = (code: string): boolean =>
      watch.emit('error', Object.assign(new Error(), { code }))
    this.on('event', forward).on('failure', fail)
    const close = (): void => {
      this.open -= 1
      this.off('event', forward).off('failure', fail)
    }
    return Object.assign(watch, { close })
  }
}

const PLACE = { directory: '/etc/key', file: 'key.json' }

const sent = (t: Test, place: { directory: string; file?: string } = PLACE) => {
  const watches = new Watches()
  return { watches, ...start(t, { places: [place], watch: watches.watch }) }
}

t.test('events', async (t) => {
  t.test('about other files than the key file are left alone', async (t) => {
    const { watches, clock, seen } = sent(t)
    for (const name of ['.key.json.swp', 'key.json~', '4913', 'other.json', '.']) {
      watches.emit('event', name)
    }
    await clock.advance(DEBOUNCE_MS)
    t.equal(seen.looks, 0)
  })

  for (const name of ['key.json', '..data', 'key', null]) {
    t.test(`about ${name} count`, async (t) => {
      const { watches, clock, seen } = sent(t)
      watches.emit('event', name)
      await clock.advance(DEBOUNCE_MS)
      t.equal(seen.looks, 1)
    })
  }

  t.test('all count where no file is named', async (t) => {
    const { watches, clock, seen } = sent(t, { directory: '/etc/key' })
    watches.emit('event', 'clientid')
    await clock.advance(DEBOUNCE_MS)
    t.equal(seen.looks, 1)
  })

  t.test('in any number cause two looks a second at most', async (t) => {
    const { watches, clock, seen } = sent(t)
    for (let ms = 0; ms < 10_000; ms += 10) {
      watches.emit('event', 'key.json')
      await clock.advance(10)
    }
    t.equal(seen.looks, 20, 'and are not put off for ever')
  })
})

t.test('a watch that goes deaf costs one poll at most', async (t) => {
  const { clock, seen } = sent(t)
  await clock.advance(POLL_MS - 1)
  t.equal(seen.looks, 0)
  await clock.advance(1)
  t.equal(seen.looks, 1)
  await clock.advance(POLL_MS)
  t.equal(seen.looks, 2)
})

for (const code of ['ENOSPC', 'EMFILE']) {
  t.test(`${code}: polls, with one warning, until there are events again`, async (t) => {
    const { watches, clock, seen } = sent(t)
    watches.refused = code
    await clock.advance(10 * POLL_MS)
    t.equal(seen.looks, 10)
    t.strictSame(seen.problems, [`${code} /etc/key`])
    watches.refused = undefined
    await clock.advance(POLL_MS)
    watches.emit('event', 'key.json')
    await clock.advance(DEBOUNCE_MS)
    t.equal(seen.looks, 12)
    watches.refused = code
    await clock.advance(POLL_MS)
    t.equal(seen.problems.length, 2)
  })
}

t.test('a watch that fails later is told of, and made anew at the poll', async (t) => {
  const { watches, clock, seen } = sent(t)
  watches.emit('failure', 'EPERM')
  watches.emit('failure', 'EPERM')
  t.strictSame(seen.problems, ['EPERM /etc/key'])
  await clock.advance(POLL_MS)
  watches.emit('event', 'key.json')
  await clock.advance(DEBOUNCE_MS)
  t.equal(seen.looks, 2)
})

t.test('another reason is told as well', async (t) => {
  const { watches, clock, seen } = sent(t)
  watches.refused = 'ENOSPC'
  await clock.advance(POLL_MS)
  watches.refused = 'ENOENT'
  await clock.advance(POLL_MS)
  t.strictSame(seen.problems, ['ENOSPC /etc/key', 'ENOENT /etc/key'])
})

t.test('check looks at once, and instead of what is pending', async (t) => {
  const { watches, watcher, clock, seen } = sent(t)
  watches.emit('event', 'key.json')
  watcher.check()
  t.equal(seen.looks, 1)
  await clock.advance(DEBOUNCE_MS)
  t.equal(seen.looks, 1)
  t.equal(watches.open, 1)
})

t.test('nothing is left after the end, and nothing happens any more', async (t) => {
  const { watches, watcher, clock, seen } = sent(t)
  watches.emit('event', 'key.json')
  watcher.close()
  watcher.close()
  watcher.check()
  await clock.advance(POLL_MS)
  t.equal(seen.looks, 0)
  t.equal(clock.pending, 0)
  t.equal(watches.open, 0)
})

t.test('any number of polls keeps one watch per directory', async (t) => {
  const { watches, clock } = sent(t)
  await clock.advance(100 * POLL_MS)
  t.equal(watches.open, 1)
})

t.test('neither the watch nor a timer keeps the process alive', async (t) => {
  const directory = t.testdir()
  const before = process.getActiveResourcesInfo()
  const open = { fs: undefined as EventEmitter | undefined }
  start(t, {
    clock: systemClock,
    places: [{ directory }],
    watch: (...args) => {
      const watching = watch(...args)
      open.fs = watching
      return watching
    },
  })
  open.fs?.emit('change', 'rename', 'clientid')
  t.strictSame(process.getActiveResourcesInfo(), before)
})
