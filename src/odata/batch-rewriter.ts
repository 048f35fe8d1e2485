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
    ? new BatchRewriter(options, [Buffer.from(type.delimiter, 'latin1')])
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
  #delimiters: readonly Buffer[]
  #section: Section
  #links: LinkRewriter
  #isLineStart = true
  #isLast = false
  /** Nothing can be done with fewer bytes of input than these. */
  #needed = 1
  #input = EMPTY
  /** Bytes behind the input in memory of its own. */
  #spare = 0
  /** No line of the input that ends before this position is followed by a blank one. */
  #searched = 0
  #output: Buffer[] = []

  constructor(
    options: BatchOptions,
    delimiters: readonly Buffer[],
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
    this.#append(chunk)
    return this.#input.length < this.#needed ? EMPTY : this.#advance()
  }

  end(chunk: Buffer = EMPTY): Buffer {
    this.#append(chunk)
    this.#isLast = true
    return this.#advance()
  }

  /** Into the room behind the input, so that a byte is copied twice at most, however small the chunks. */
  #append(chunk: Buffer): void {
    const held = this.#input
    const length = held.length + chunk.length
    if (held.length === 0) {
      this.#input = chunk
      this.#spare = 0
    } else if (chunk.length <= this.#spare) {
      this.#input = Buffer.from(held.buffer, held.byteOffset, length)
      this.#spare -= chunk.length
      chunk.copy(this.#input, held.length)
    } else {
      this.#spare = held.length
      this.#input = Buffer.allocUnsafeSlow(length + this.#spare).subarray(0, length)
      held.copy(this.#input)
      chunk.copy(this.#input, held.length)
    }
  }

  #advance(): Buffer {
    this.#needed = 0
    while (this.#needed === 0) {
      this.#needed = this.#section === 'text' ? this.#passText() : this.#passHead()
    }
    if (this.#isLast) {
      this.#output.push(this.#links.end())
      this.count += this.#links.count
    }
    const output = Buffer.concat(this.#output)
    this.#output = []
    return output
  }

  /** @returns 0 if something was done, else the number of bytes that are needed to do something */
  #passText(): number {
    if (this.#isLineStart) {
      const length = this.#delimiterLength()
      if (length === undefined) return moreThan(this.#input.length)
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
    const input = this.#input
    for (let next = input.indexOf('\n--'); next !== -1; next = input.indexOf('\n--', next + 1)) {
      if (this.#delimiters.some((delimiter) => isAt(input, next + 1, delimiter) !== false)) {
        return next + 1
      }
    }
    const { length } = input
    const isOpen = input[length - 2] === LINE_FEED && input[length - 1] === HYPHEN
    return isOpen && !this.#isLast ? length - 1 : length
  }

  /** @returns the length of the line if it begins with a delimiter, else 0; `undefined`: not known yet */
  #delimiterLength(): number | undefined {
    const begins = (how: boolean | undefined): boolean =>
      this.#delimiters.some((delimiter) => isAt(this.#input, 0, delimiter) === how)
    if (!begins(true)) return begins(undefined) && !this.#isLast ? undefined : 0
    const end = this.#input.indexOf(LINE_FEED)
    const length = end === -1 ? this.#input.length : end + 1
    if (length > MAX_HELD_BYTES) return 0
    return end === -1 && !this.#isLast ? undefined : length
  }

  #passDelimiter(length: number): number {
    const line = this.#take(length)
    const closed = this.#delimiters.findIndex(
      (delimiter) =>
        isAt(line, 0, delimiter) === true &&
        line[delimiter.length] === HYPHEN &&
        line[delimiter.length + 1] === HYPHEN,
    )
    this.#output.push(this.#links.end(), line)
    this.#section = closed === -1 ? 'part' : 'text'
    if (closed > 0) this.#delimiters = this.#delimiters.slice(0, closed)
    return 0
  }

  #passHead(): number {
    const { length } = this.#input
    const end = this.#headLength()
    if (end === -1 && length <= MAX_HELD_BYTES && !this.#isLast) return length + 1
    if (end === -1 || end > MAX_HELD_BYTES) {
      this.#section = 'text'
      return 0
    }
    return this.#passPart(readHead(this.#input.subarray(0, end)), end)
  }

  /** @returns the length of the head that the input begins with, its blank line included; or -1 */
  #headLength(): number {
    const input = this.#input
    const blank = lineBreakLength(input, 0)
    if (blank > 0) return blank
    for (let at = this.#searched; at < input.length; at += 1) {
      if (input[at] !== LINE_FEED) continue
      const length = lineBreakLength(input, at + 1)
      if (length === 0) continue
      this.#searched = at
      return at + 1 + length
    }
    // What comes next may make one of the last two bytes.
    this.#searched = Math.max(this.#searched, input.length - 2)
    return -1
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
      this.#delimiters = [...this.#delimiters, Buffer.from(delimiter, 'latin1')]
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
    this.#searched = Math.max(0, this.#searched - length)
    return taken
  }
}

const EMPTY: Buffer = Buffer.alloc(0)
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const HYPHEN = 0x2d

/** A head, or a part with a length, is held up to this size. */
const MAX_HELD_BYTES = 64 * 1024

/** Parts in parts that are understood: change sets need three. */
const MAX_DEPTH = 4

/** Nobody waits for long lines, so that they may be looked at again each time they have doubled. */
const moreThan = (length: number): number => (length < LONG_LINE_BYTES ? length + 1 : 2 * length)
const LONG_LINE_BYTES = 1024

/** @returns whether the text is there; `undefined`: the bytes end within it */
const isAt = (bytes: Buffer, at: number, text: Buffer): boolean | undefined => {
  const length = Math.min(text.length, bytes.length - at)
  for (let i = 0; i < length; i += 1) if (bytes[at + i] !== text[i]) return false
  return length === text.length ? true : undefined
}

/** @returns 0 if there is no line break */
const lineBreakLength = (bytes: Buffer, at: number): number => {
  if (bytes[at] === LINE_FEED) return 1
  return bytes[at] === CARRIAGE_RETURN && bytes[at + 1] === LINE_FEED ? 2 : 0
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
  const text = bytes.toString('latin1')
  const lines: string[] = []
  let contentLength = ''
  let contentType = ''
  for (const line of text.split(/(?<=\n)/)) {
    lines.push(line)
    // Others are not worth a look.
    if (line.length < SHORTEST_FIELD) continue
    const field = line.trimEnd()
    contentLength ||= valueOf(CONTENT_LENGTH, field)
    contentType ||= valueOf(CONTENT_TYPE, field)
  }
  return {
    lines,
    contentLength: contentLength === '' ? Infinity : Number(contentLength),
    contentType,
  }
}

const SHORTEST_FIELD = 'content-type:'.length

const valueOf = (field: RegExp, line: string): string => field.exec(line)?.[1] ?? ''

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
    if (line.length <= 2) return line
    const text = line.replace(/\r?\n$/, '')
    const lineBreak = line.slice(text.length)
    if (!CONTENT_LENGTH.test(text)) return rewriteLine(text) + lineBreak
    return contentLength === undefined
      ? ''
      : text.replace(/\d+[ \t]*$/, String(contentLength)) + lineBreak
  })
  return Buffer.from(printed.join(''), 'latin1')
}
