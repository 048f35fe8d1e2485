/** Answers whose bodies may have links: small ones are held until they are whole, others streamed. */
import type { ServerResponse } from 'node:http'
import type { Transform } from 'node:stream'
import { type BodyRewriter, createBodyRewriter } from '../odata/batch-rewriter.ts'
import { breakOff } from './caller-connection.ts'
import type { RewritableType } from '../odata/media-type.ts'
import type { LinkDirectory, RewriteMode, Translation } from './links.ts'
import {
  type BodyPlan,
  createDecoder,
  decode,
  isRawValue,
  MAX_HELD_BYTES,
  planResponse,
  withoutBodyFields,
} from './response-plan.ts'
import {
  type ResponseWriter,
  ResponseHead,
  type WriterOptions,
  endWhole,
  PlainWriter,
} from './response-writer.ts'
import { streamed } from './streamed-memory.ts'
import type { Route } from './route.ts'

/** Opens an answer that came from this route. */
export type WriterOpener = (answer: WriterOptions, route: Route) => ResponseWriter

/** @param now monotonic ms */
export const createWriterOpener =
  (mode: RewriteMode, links: LinkDirectory, now: () => number): WriterOpener =>
  (options, route) => {
    const { context, headers } = options
    context.respondedAt = now()
    const { timing } = context
    // Beside what the API may tell itself.
    if (timing !== undefined) headers.push('server-timing', timing.describe(context))
    return mode === 'off'
      ? new PlainWriter(options)
      : openRewriter(mode, links.linksFor(options.request, route).toCaller, options)
  }

const openRewriter = (
  mode: RewriteMode,
  translation: Translation,
  options: WriterOptions,
): ResponseWriter => {
  const { headers, context } = options
  const plan = planResponse(headers, translation.table)
  if (plan === undefined || mode === 'headers' || isRawValue(context.path)) {
    return new PlainWriter(options)
  }
  // Nobody knows how long the body would be that is not there.
  if (hasNoBody(options))
    return new PlainWriter({ ...options, headers: withoutBodyFields(headers) })
  if (plan.isSmall) return new CollectedWriter(options, plan, translation)
  return openStreamed(options, plan, translation)
}

const hasNoBody = ({ request, status }: WriterOptions): boolean =>
  request.method === 'HEAD' || status === 204 || status === 304

/** Goes out as it came, unless there is a link in it. */
class CollectedWriter implements ResponseWriter {
  readonly status: number
  readonly #options: WriterOptions
  readonly #plan: BodyPlan
  readonly #translation: Translation
  #chunks: Buffer[] = []
  #received = 0
  /** Takes over when the body turns out to be large. */
  #streamed: ResponseWriter | undefined

  constructor(options: WriterOptions, plan: BodyPlan, translation: Translation) {
    this.status = options.status
    this.#options = options
    this.#plan = plan
    this.#translation = translation
  }

  write(chunk: Buffer): boolean {
    if (this.#streamed !== undefined) return this.#streamed.write(chunk)
    this.#chunks.push(chunk)
    this.#received += chunk.length
    return this.#received <= MAX_HELD_BYTES || this.#stream().wantsMore
  }

  /** What is held, is held until it is whole. */
  flush(): void {
    this.#streamed?.flush()
  }

  end(): void {
    if (this.#streamed !== undefined) return this.#streamed.end()
    const [first] = this.#chunks
    const bytes = this.#chunks.length === 1 ? (first as Buffer) : Buffer.concat(this.#chunks)
    const { coding, type } = this.#plan
    const decoded = coding === '' ? bytes : decode(coding, bytes)
    if (decoded === 'too_large') return this.#stream().streamed.end()
    if (decoded === 'broken') return this.#send(bytes, this.#options.headers)
    const rewriter = createBodyRewriter(type, this.#translation)
    const rewritten = rewriter.end(decoded)
    this.#options.context.links = rewriter.count
    if (rewriter.count === 0) return this.#send(bytes, this.#options.headers)
    const headers = withoutBodyFields(this.#options.headers)
    this.#send(rewritten, [...headers, 'content-length', String(rewritten.length)])
  }

  drop(): void {
    this.#streamed?.drop()
  }

  #send(body: Buffer, headers: string[]): void {
    const { response, status, text, context } = this.#options
    context.responseBytes = body.length
    response.writeHead(status, text, headers)
    endWhole(response, body)
  }

  #stream(): { streamed: ResponseWriter; wantsMore: boolean } {
    const streamed = openStreamed(this.#options, this.#plan, this.#translation)
    this.#streamed = streamed
    const wantsMore = this.#chunks.map((chunk) => streamed.write(chunk)).every(Boolean)
    this.#chunks = []
    return { streamed, wantsMore }
  }
}

const openStreamed = (options: WriterOptions, plan: BodyPlan, translation: Translation) =>
  plan.coding === ''
    ? new StreamedWriter(options, plan.type, translation)
    : new DecodedWriter(options, plan, translation)

/** Of any length, in constant memory; without `Content-Length`. */
class StreamedWriter implements ResponseWriter {
  readonly status: number
  readonly #context: WriterOptions['context']
  readonly #response: ServerResponse
  readonly #head: ResponseHead
  readonly #rewriter: BodyRewriter

  constructor(options: WriterOptions, type: RewritableType, translation: Translation) {
    const { response, context, status, text, headers, resume } = options
    this.status = status
    this.#context = context
    this.#response = response
    this.#head = new ResponseHead(response, status, text, withoutBodyFields(headers))
    this.#rewriter = createBodyRewriter(type, translation)
    response.on('drain', resume)
  }

  write(chunk: Buffer): boolean {
    streamed(chunk.length)
    this.#head.send()
    const rewritten = this.#rewriter.push(chunk)
    this.#context.responseBytes += rewritten.length
    return rewritten.length === 0 || this.#response.write(rewritten)
  }

  flush(): void {
    this.#head.flush()
  }

  end(): void {
    this.#head.send()
    const rest = this.#rewriter.end()
    this.#context.responseBytes += rest.length
    this.#context.links = this.#rewriter.count
    this.#response.end(rest)
  }

  drop(): void {
    this.#head.drop()
  }
}

/**
 * Undoes a coding before it streams. Whether the body has that coding shows when the first bytes come
 * out; until then no head is sent, and what has come in is kept, so that it can still go out as it came.
 */
class DecodedWriter implements ResponseWriter {
  readonly status: number
  readonly #options: WriterOptions
  readonly #coding: string
  readonly #decoded: StreamedWriter
  #decoder: Transform | undefined
  /** As it came, if it cannot be decoded. */
  #plain: PlainWriter | undefined
  /** `undefined` once something has come out. */
  #kept: Buffer[] | undefined = []
  #keptBytes = 0
  /** The decoder has come to its end; what follows, such as padding, is nothing to it. */
  #isOver = false
  #isWhole = false

  constructor(options: WriterOptions, { type, coding }: BodyPlan, translation: Translation) {
    this.status = options.status
    this.#options = options
    this.#coding = coding
    const resume = (): void => void this.#decoder?.resume()
    this.#decoded = new StreamedWriter({ ...options, resume }, type, translation)
  }

  write(chunk: Buffer): boolean {
    if (this.#plain === undefined) this.#decoder ??= this.#openDecoder(chunk)
    if (this.#plain !== undefined) return this.#plain.write(chunk)
    if (this.#isOver) return true
    streamed(chunk.length)
    this.#kept?.push(chunk)
    this.#keptBytes += chunk.length
    return (this.#decoder as Transform).write(chunk)
  }

  flush(): void {
    if (this.#plain !== undefined) this.#plain.flush()
    else if (this.#kept === undefined) this.#decoded.flush()
  }

  end(): void {
    this.#isWhole = true
    if (this.#plain !== undefined) this.#plain.end()
    else if (this.#isOver) this.#decoded.end()
    else this.#decoder?.end()
  }

  drop(): void {
    this.#decoder?.destroy()
    this.#plain?.drop()
  }

  #openDecoder(start: Buffer): Transform | undefined {
    const { response, resume } = this.#options
    const decoder = createDecoder(this.#coding, start)
    if (decoder === undefined) {
      this.#plain = new PlainWriter(this.#options)
      return undefined
    }
    decoder.on('data', (chunk: Buffer) => {
      this.#kept = undefined
      if (!this.#decoded.write(chunk)) decoder.pause()
    })
    decoder.on('drain', () => {
      if (this.#kept !== undefined && this.#keptBytes > MAX_KEPT_BYTES) this.#passOn(this.#kept)
      else resume()
    })
    decoder.on('end', () => {
      this.#isOver = true
      if (this.#isWhole) this.#decoded.end()
      else resume()
    })
    decoder.on('error', () => {
      // After the head, all that is left is to let the caller see that the body is broken.
      if (this.#kept === undefined) breakOff(response)
      else this.#passOn(this.#kept)
    })
    response.once('close', () => decoder.destroy())
    return decoder
  }

  #passOn(kept: readonly Buffer[]): void {
    const plain = new PlainWriter(this.#options)
    this.#plain = plain
    this.#decoder?.destroy()
    for (const chunk of kept) plain.write(chunk)
    this.#kept = undefined
    if (this.#isWhole) return plain.end()
    plain.flush()
    this.#options.resume()
  }
}

/** Without a byte that comes out of them; no honest body begins with so many. */
const MAX_KEPT_BYTES = 256 * 1024
