/** Answers whose bodies may have links: small ones are held until they are whole, others streamed. */
import type { ServerResponse } from 'node:http'
import type { Transform } from 'node:stream'
import { type BodyRewriter, createBodyRewriter } from '../odata/batch-rewriter.ts'
import { breakOff } from './caller-connection.ts'
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
  return plan.isSmall
    ? new CollectedWriter(options, plan, translation)
    : new StreamedWriter(options, plan, translation)
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
  #streamed: StreamedWriter | undefined

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
  flush(): void {}

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

  /** Either nothing has been sent, or the head has, and only closing the connection is left. */
  drop(): void {}

  #send(body: Buffer, headers: string[]): void {
    const { response, status, text, context } = this.#options
    context.responseBytes = body.length
    response.writeHead(status, text, headers)
    endWhole(response, body)
  }

  #stream(): { streamed: StreamedWriter; wantsMore: boolean } {
    const streamed = new StreamedWriter(this.#options, this.#plan, this.#translation)
    this.#streamed = streamed
    const wantsMore = this.#chunks.map((chunk) => streamed.write(chunk)).every(Boolean)
    this.#chunks = []
    return { streamed, wantsMore }
  }
}

/** Of any length, in constant memory; without `Content-Length` and decoded. */
class StreamedWriter implements ResponseWriter {
  readonly status: number
  readonly #options: WriterOptions
  readonly #response: ServerResponse
  readonly #head: ResponseHead
  readonly #rewriter: BodyRewriter
  readonly #coding: string
  #decoder: Transform | undefined

  constructor(options: WriterOptions, { type, coding }: BodyPlan, translation: Translation) {
    const { response, status, text, headers, resume } = options
    this.status = status
    this.#options = options
    this.#response = response
    this.#head = new ResponseHead(response, status, text, withoutBodyFields(headers))
    this.#rewriter = createBodyRewriter(type, translation)
    this.#coding = coding
    // A decoder has a buffer of its own, and asks for more itself.
    if (coding === '') response.on('drain', resume)
  }

  write(chunk: Buffer): boolean {
    streamed(chunk.length)
    this.#head.send()
    if (this.#coding === '') return this.#pass(chunk)
    this.#decoder ??= this.#openDecoder(chunk)
    return this.#decoder.write(chunk)
  }

  flush(): void {
    this.#head.flush()
  }

  end(): void {
    this.#head.send()
    if (this.#decoder === undefined) this.#finish()
    else this.#decoder.end()
  }

  drop(): void {
    this.#head.drop()
  }

  #pass(chunk: Buffer): boolean {
    const rewritten = this.#rewriter.push(chunk)
    this.#options.context.responseBytes += rewritten.length
    return rewritten.length === 0 || this.#response.write(rewritten)
  }

  #finish(): void {
    const { context } = this.#options
    const rest = this.#rewriter.end()
    context.responseBytes += rest.length
    context.links = this.#rewriter.count
    this.#response.end(rest)
  }

  #openDecoder(start: Buffer): Transform {
    const response = this.#response
    const decoder = createDecoder(this.#coding, start)
    decoder.on('data', (chunk: Buffer) => {
      if (!this.#pass(chunk)) decoder.pause()
    })
    decoder.on('drain', this.#options.resume)
    decoder.on('end', () => this.#finish())
    // The head has gone out: all that is left is to let the caller see that the body is broken.
    decoder.on('error', () => breakOff(response))
    response.on('drain', () => decoder.resume())
    response.once('close', () => decoder.destroy())
    return decoder
  }
}
