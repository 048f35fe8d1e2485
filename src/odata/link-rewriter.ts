/**
 * Replaces the links of some base URLs in a document that comes in chunks. Memory is constant: what
 * is held back is never more than a link may take. The output depends on the bytes, not on where
 * they were cut. Pure.
 */
import { AMPERSAND, BACKSLASH, INCOMPLETE, MISMATCH, SLASH } from './escaped-text.ts'
import { type Link, LinkTarget, type Needle, needlesFor } from './link-target.ts'
import { isLinkValue, LOOK_BEHIND_BYTES, mayPrecede } from './link-value.ts'

/** What is looked for, compiled; for any number of documents. */
export class LinkTable {
  /** In the order in which they are tried. */
  readonly targets: readonly LinkTarget[]
  readonly needles: readonly Needle[]
  readonly maxBytes: number
  /** Memory it takes, roughly. */
  readonly bytes: number
  readonly hasRelative: boolean

  /** @param links of two that fit at one place, the longer path wins, then the one that comes first */
  constructor(links: readonly Link[]) {
    this.targets = links
      .map((link) => new LinkTarget(link))
      .toSorted((a, b) => b.path.length - a.path.length)
    this.needles = this.targets.flatMap(needlesFor)
    this.maxBytes = Math.max(0, ...this.targets.map(({ maxBytes }) => maxBytes))
    this.bytes = this.targets.reduce((sum, target) => sum + target.bytes, 0)
    this.hasRelative = this.targets.some(({ pathAbsolute }) => pathAbsolute)
  }

  /** Most documents have no links, and need no more than that. */
  isAbsentFrom(bytes: Buffer): boolean {
    for (const { find } of this.needles) if (find(bytes, 0) !== -1) return false
    return true
  }
}

export class LinkRewriter {
  /** Links replaced so far. */
  count = 0
  readonly #table: LinkTable
  /** Ends with the last bytes before the window. */
  #behind: Buffer
  /** Not settled: what may be the beginning of a link, and what has come since. */
  #held: Buffer[] = []
  #heldBytes = 0
  /** With fewer bytes than these it is not looked at again. */
  #needed = 0
  #window = EMPTY
  /** Positions of the window at which no link begins: from one up to another. */
  #refusedFrom = 0
  #refusedTo = 0
  #isLast = false
  #replacement = ''

  /** @param before taken for what stands before the document */
  constructor(table: LinkTable, before: Buffer = EMPTY) {
    this.#table = table
    this.#behind = before
  }

  /** @returns the very chunk, if nothing in it is to be replaced or held back */
  push(chunk: Buffer): Buffer {
    if (this.#heldBytes + chunk.length >= this.#needed) return this.#advance(chunk, false)
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    return EMPTY
  }

  /** Takes the last chunk, and returns it with what was held back. More may follow, as a new line. */
  end(chunk: Buffer = EMPTY): Buffer {
    return this.#heldBytes + chunk.length === 0 ? EMPTY : this.#advance(chunk, true)
  }

  #advance(chunk: Buffer, isLast: boolean): Buffer {
    this.#window = this.#heldBytes === 0 ? chunk : Buffer.concat([...this.#held, chunk])
    this.#isLast = isLast
    this.#refusedFrom = 0
    this.#refusedTo = 0
    const edits = this.#table.isAbsentFrom(this.#window) ? NO_EDITS : this.#findEdits()
    const end = isLast ? this.#window.length : this.#findHold(edits.at(-1)?.end ?? 0)
    const settled = end === this.#window.length ? this.#window : this.#window.subarray(0, end)
    this.#hold(this.#window.subarray(end))
    this.#behind = end >= LOOK_BEHIND_BYTES ? settled : this.#before(end)
    this.#window = EMPTY
    this.count += edits.length
    return edits.length === 0 ? settled : applyEdits(settled, edits)
  }

  /** What is held is read again; if it is long, not before it has doubled: chunks may be single bytes. */
  #hold(bytes: Buffer): void {
    this.#held = bytes.length === 0 ? [] : [Buffer.from(bytes)]
    this.#heldBytes = bytes.length
    this.#needed = bytes.length < LONG_BYTES ? 0 : 2 * bytes.length
  }

  #findEdits(): Edit[] {
    const edits: Edit[] = []
    const { needles } = this.#table
    const hits = needles.map(({ find }) => find(this.#window, 0))
    let done = 0
    for (let next = earliest(hits); next !== -1; next = earliest(hits)) {
      const needle = needles[next] as Needle
      const hit = hits[next] as number
      const edit = hit < done ? undefined : this.#editAround(hit, needle, done)
      if (edit !== undefined) {
        edits.push(edit)
        // What is put in before a slash takes nothing away, and happens once.
        done = Math.max(edit.end, edit.start + 1)
      }
      hits[next] = needle.find(this.#window, Math.max(hit + 1, done))
    }
    return edits
  }

  #editAround(hit: number, needle: Needle, done: number): Edit | undefined {
    const { likely, reach, follows } = needle
    if (follows !== undefined && !follows.has(this.#window[hit - 1] as number)) return undefined
    for (const before of likely) {
      const start = hit - before
      const edit = start < done || this.#isRefused(start) ? undefined : this.#editAt(start)
      if (edit !== undefined) return edit
    }
    return this.#editBetween(Math.max(done, hit - reach), hit)
  }

  /** A spelling that nobody expects is left. Hits stand close together, and the same positions before them. */
  #editBetween(first: number, end: number): Edit | undefined {
    for (let start = this.#unrefused(first); start < end; start = this.#unrefused(start + 1)) {
      const edit = this.#editAt(start)
      if (edit !== undefined) return edit
    }
    const isApart = first > this.#refusedTo
    this.#refusedFrom = isApart ? first : Math.min(this.#refusedFrom, first)
    this.#refusedTo = Math.max(this.#refusedTo, end)
    return undefined
  }

  /** @returns the next position at which a link may begin */
  #unrefused(start: number): number {
    return this.#isRefused(start) ? this.#refusedTo : start
  }

  #isRefused(start: number): boolean {
    return start >= this.#refusedFrom && start < this.#refusedTo
  }

  #editAt(start: number): Edit | undefined {
    const end = this.#endAt(start)
    return end < 0 ? undefined : { start, end, replacement: this.#replacement }
  }

  /** @returns where a link may begin that has not ended yet; the end of the window if there is none */
  #findHold(done: number): number {
    const { length } = this.#window
    for (let start = Math.max(done, length - this.#table.maxBytes); start < length; start += 1) {
      if (this.#endAt(start) === INCOMPLETE) return start
    }
    return length
  }

  /** @returns the end of the link that begins at `start`, MISMATCH or INCOMPLETE */
  #endAt(start: number): number {
    const first = this.#window[start]
    if (first === LETTER_H || first === LETTER_h) return this.#anyEnd(start, true)
    if (first !== SLASH && first !== BACKSLASH && first !== AMPERSAND) return MISMATCH
    if (!this.#table.hasRelative || (start > 0 && !mayPrecede(this.#window[start - 1])))
      return MISMATCH
    return isLinkValue(this.#before(start)) ? this.#anyEnd(start, false) : MISMATCH
  }

  #anyEnd(start: number, isAbsolute: boolean): number {
    for (const target of this.#table.targets) {
      if (!isAbsolute && !target.pathAbsolute) continue
      const end = isAbsolute
        ? target.absolute(this.#window, start, this.#isLast)
        : target.relative(this.#window, start, this.#isLast)
      this.#replacement = target.replacement
      if (end !== MISMATCH) return end
    }
    return MISMATCH
  }

  /** What stands before a position of the window, as far back as anybody looks. */
  #before(at: number): Buffer {
    if (at >= LOOK_BEHIND_BYTES) return this.#window.subarray(at - LOOK_BEHIND_BYTES, at)
    const behind = this.#behind.subarray(-LOOK_BEHIND_BYTES)
    const known = Buffer.concat([behind, this.#window.subarray(0, at)])
    return known.subarray(-LOOK_BEHIND_BYTES)
  }
}

/** Fields whose value is a link (RFC 9110 §8.7 and §10.2.2, OData V4 part 1 §8.3.4), in lower case. */
export const LINK_FIELDS: ReadonlySet<string> = new Set([
  'content-location',
  'dataserviceid',
  'link',
  'location',
  'odata-entityid',
])

/** @returns the value of such a field with its links replaced; the same string if it has none */
export const rewriteField = (table: LinkTable, value: string): string =>
  new LinkRewriter(table, AS_ATTRIBUTE).end(Buffer.from(value, 'latin1')).toString('latin1')

/** @param line of a head, such as `Location: /v1/Vendor('1')` */
export const rewriteFieldLine = (table: LinkTable, line: string): string => {
  const [, start = '', name = '', value = ''] =
    /^(([^\s:]+)[ \t]*:[ \t]*)([^ \t\r\n].*)$/.exec(line) ?? []
  return LINK_FIELDS.has(name.toLowerCase()) ? start + rewriteField(table, value) : line
}

const EMPTY: Buffer = Buffer.alloc(0)

/** Longer than most links. */
const LONG_BYTES = 128

interface Edit {
  readonly start: number
  readonly end: number
  readonly replacement: string
}

const NO_EDITS: readonly Edit[] = []

/** @returns the index of the smallest position, or -1 if there is none */
const earliest = (hits: readonly number[]): number => {
  let first = -1
  for (let i = 0; i < hits.length; i += 1) {
    if (hits[i] === -1) continue
    if (first === -1 || (hits[i] as number) < (hits[first] as number)) first = i
  }
  return first
}

/** By way of a string, which is cheaper to cut and join than bytes are; latin1 keeps every byte. */
const applyEdits = (bytes: Buffer, edits: readonly Edit[]): Buffer => {
  const text = bytes.toString('latin1')
  let edited = ''
  let done = 0
  for (const { start, end, replacement } of edits) {
    edited += text.slice(done, start) + replacement
    done = end
  }
  return Buffer.from(edited + text.slice(done), 'latin1')
}

const LETTER_H = 0x48
const LETTER_h = 0x68

/** A value is all link, as that of an attribute is. */
const AS_ATTRIBUTE = Buffer.from('href="')
