/**
 * Replaces links in a `$batch` body (multipart/mixed) that comes in chunks: in the bodies of its
 * parts, in the heads before them, and in the heads of the requests or answers that they hold. Any
 * other body is a document to `LinkRewriter`. Pure.
 *
 * A part may say how long it is, and readers rely on it: SAP's and Olingo's Java client reads on
 * over the next delimiter if the length is too large. So a part of up to 64 KB is held and its length
 * corrected; a longer one loses its `Content-Length` and ends at the delimiter, as parts may.
 */
import { LinkRewriter, type LinkTable } from './link-rewriter.ts'
import { delimiterOf, type RewritableType } from './media-type.ts'

export interface BodyRewriter {
  /** Links replaced so far. */
  readonly count: number
  /** @returns what can be passed on already: the very chunk, if nothing in it is to be replaced */
  push(chunk: Buffer): Buffer
  /** @returns the rest */
  end(chunk?: Buffer): Buffer
}

export const createBodyRewriter = (type: RewritableType, options: BatchOptions): BodyRewriter =>
  type.kind === 'multipart'
    ? new BatchRewriter(options, [type.delimiter])
    : new LinkRewriter(options.table)

interface BatchOptions {
  readonly table: LinkTable
  /** Changes one line of a head in ways of its own. */
  readonly rewriteLine: (line: string) => string
}

/**
 * `text`: whatever stands before the next delimiter. `part`: the head of a part. `message`: the head
 * of the request or answer in an `application/http` part.
 */
type Section = 'text' | 'part' | 'message'

class BatchRewriter implements BodyRewriter {
  count = 0
  readonly #options: BatchOptions
  readonly #depth: number
  #delimiters: readonly string[]
  #section: Section
  #links: LinkRewriter
  #isLineStart = true
  #isLast = false
  #chunks: Buffer[] = []
  #received = 0
  /** Nothing can be done with fewer bytes than these. */
  #needed = 1
  #input = EMPTY
  #output: Buffer[] = []

  constructor(
    options: BatchOptions,
    delimiters: readonly string[],
    section: Section = 'text',
    depth = 0,
  ) {
    this.#options = options
    this.#delimiters = delimiters
    this.#section = section
    this.#depth = depth
    this.#links = new LinkRewriter(options.table)
  }

  push(chunk: Buffer): Buffer {
    this.#chunks.push(chunk)
    this.#received += chunk.length
    return this.#received < this.#needed ? EMPTY : this.#advance()
  }

  end(chunk: Buffer = EMPTY): Buffer {
    this.#chunks.push(chunk)
    this.#isLast = true
    return this.#advance()
  }

  #advance(): Buffer {
    this.#input = Buffer.concat(this.#chunks)
    this.#needed = 0
    while (this.#needed === 0) {
      this.#needed = this.#section === 'text' ? this.#passText() : this.#passHead()
    }
    if (this.#isLast) {
      this.#output.push(this.#links.end())
      this.count += this.#links.count
    }
    this.#chunks = [this.#input]
    this.#received = this.#input.length
    const output = Buffer.concat(this.#output)
    this.#output = []
    return output
  }

  /** @returns 0 if something was done, else the number of bytes that are needed to do something */
  #passText(): number {
    if (this.#isLineStart) {
      const length = this.#delimiterLength()
      if (length === undefined) return this.#input.length + 1
      if (length > 0) return this.#passDelimiter(length)
    }
    if (this.#input.length === 0) return 1
    const end = this.#textLength()
    this.#isLineStart = this.#input[end - 1] === LINE_FEED
    this.#output.push(this.#links.push(this.#take(end)))
    return 0
  }

  /** @returns the length of the text before the next line that may be a delimiter */
  #textLength(): number {
    const next = this.#input.indexOf('\n--')
    if (next !== -1) return next + 1
    const { length } = this.#input
    const isOpen = this.#input[length - 2] === LINE_FEED && this.#input[length - 1] === HYPHEN
    return isOpen && !this.#isLast ? length - 1 : length
  }

  /** @returns the length of the line if it begins with a delimiter, else 0; `undefined`: not known yet */
  #delimiterLength(): number | undefined {
    const start = this.#input.toString('latin1', 0, MAX_DELIMITER_BYTES)
    if (!this.#delimiters.some((delimiter) => start.startsWith(delimiter))) {
      const isOpen = this.#delimiters.some((delimiter) => delimiter.startsWith(start))
      return isOpen && !this.#isLast ? undefined : 0
    }
    const end = this.#input.indexOf(LINE_FEED)
    const length = end === -1 ? this.#input.length : end + 1
    if (length > MAX_HELD_BYTES) return 0
    return end === -1 && !this.#isLast ? undefined : length
  }

  #passDelimiter(length: number): number {
    const line = this.#take(length)
    const start = line.toString('latin1')
    const closed = this.#delimiters.findIndex((delimiter) => start.startsWith(`${delimiter}--`))
    this.#output.push(this.#links.end(), line)
    this.#section = closed === -1 ? 'part' : 'text'
    if (closed > 0) this.#delimiters = this.#delimiters.slice(0, closed)
    return 0
  }

  #passHead(): number {
    const { length } = this.#input
    const end = headLength(this.#input)
    if (end === -1 && length <= MAX_HELD_BYTES && !this.#isLast) return length + 1
    if (end === -1 || end > MAX_HELD_BYTES) {
      this.#section = 'text'
      return 0
    }
    return this.#passPart(readHead(this.#input.subarray(0, end)), end)
  }

  #passPart(head: Head, headBytes: number): number {
    const { contentLength, contentType } = head
    const isHeld = contentLength <= MAX_HELD_BYTES && this.#depth < MAX_DEPTH
    const needed = headBytes + contentLength
    if (isHeld && this.#input.length < needed && !this.#isLast) return needed
    this.#take(headBytes)
    const holdsMessage = this.#section === 'part' && MESSAGE_TYPE.test(contentType)
    const content = holdsMessage ? 'message' : 'text'
    const delimiter = delimiterOf(contentType)
    if (delimiter !== undefined && this.#delimiters.length < MAX_DEPTH) {
      this.#delimiters = [...this.#delimiters, delimiter]
    }
    if (isHeld) this.#passHeld(head, content, contentLength)
    else this.#printHead(head, undefined, content)
    return 0
  }

  #passHeld(head: Head, content: Section, contentLength: number): void {
    const inner = new BatchRewriter(this.#options, this.#delimiters, content, this.#depth + 1)
    const original = this.#take(contentLength)
    const body = inner.end(original)
    this.count += inner.count
    this.#printHead(head, contentLength + body.length - original.length, 'text')
    this.#output.push(body)
  }

  #printHead(head: Head, contentLength: number | undefined, next: Section): void {
    const lines = printHead(head, this.#options.rewriteLine, contentLength)
    this.#output.push(this.#links.end(lines))
    this.#section = next
    this.#isLineStart = true
  }

  /** Cuts the first bytes off what is to be done. */
  #take(length: number): Buffer {
    const taken = this.#input.subarray(0, length)
    this.#input = this.#input.subarray(length)
    return taken
  }
}

const EMPTY: Buffer = Buffer.alloc(0)
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const HYPHEN = 0x2d

/** Two hyphens and a boundary (RFC 2046 §5.1.1). */
const MAX_DELIMITER_BYTES = 72

/** A head, or a part with a length, is held up to this size. */
const MAX_HELD_BYTES = 64 * 1024

/** Parts in parts that are understood: change sets need three. */
const MAX_DEPTH = 4

/** @returns the length of the head that these bytes begin with, its blank line included; or -1 */
const headLength = (bytes: Buffer): number => {
  for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, end + 1)) {
    const lineEnd = bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end
    if (lineEnd === 0 || bytes[lineEnd - 1] === LINE_FEED) return end + 1
  }
  return -1
}

/** That of a part, or of the request or answer in it. */
interface Head {
  /** With their line breaks. */
  readonly lines: readonly string[]
  /** Infinity: the head does not say. */
  readonly contentLength: number
  /** Empty: the head does not say. */
  readonly contentType: string
}

const readHead = (bytes: Buffer): Head => {
  const lines = bytes.toString('latin1').split(/(?<=\n)/)
  const find = (field: RegExp): string | undefined =>
    lines.map((line) => field.exec(line.trimEnd())?.[1]).find(Boolean)
  return {
    lines,
    contentLength: Number(find(CONTENT_LENGTH) ?? Infinity),
    contentType: find(CONTENT_TYPE) ?? '',
  }
}

const CONTENT_LENGTH = /^content-length[ \t]*:[ \t]*(\d+)[ \t]*$/i
const CONTENT_TYPE = /^content-type[ \t]*:[ \t]*(.*)$/i
const MESSAGE_TYPE = /^application\/http\s*(?:;|$)/i

/** @param contentLength `undefined`: the head does not say */
const printHead = (
  { lines }: Head,
  rewriteLine: (line: string) => string,
  contentLength: number | undefined,
): Buffer => {
  const printed = lines.map((line) => {
    const text = line.replace(/\r?\n$/, '')
    const lineBreak = line.slice(text.length)
    if (!CONTENT_LENGTH.test(text)) return rewriteLine(text) + lineBreak
    return contentLength === undefined
      ? ''
      : text.replace(/\d+[ \t]*$/, String(contentLength)) + lineBreak
  })
  return Buffer.from(printed.join(''), 'latin1')
}
