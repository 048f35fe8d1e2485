/** The way back: links that callers got from us become those of the API again. */
import type { IncomingMessage } from 'node:http'
import { pipeline, Transform, type Readable, type TransformCallback } from 'node:stream'
import { createBodyRewriter, type BodyRewriter } from '../odata/body-rewriter.ts'
import { rewritableType, type RewritableType } from '../odata/rewritable-type.ts'
import type { LinkDirectory, RewriteMode, Translation } from './links.ts'
import type { Mount } from './mount.ts'
import { isBatch, isRawValue } from './resource-kind.ts'
import type { RequestBody } from './request-body.ts'

class LinkTransform extends Transform {
  readonly #rewriter: BodyRewriter

  constructor(rewriter: BodyRewriter) {
    super()
    this.#rewriter = rewriter
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    done(null, this.#rewriter.push(chunk))
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#rewriter.end())
  }
}

const rewrite = (
  type: RewritableType,
  body: Buffer | Readable,
  links: Translation,
): RequestBody => {
  const rewriter = createBodyRewriter(type, links)
  return Buffer.isBuffer(body)
    ? rewriter.end(body)
    : pipeline(body, new LinkTransform(rewriter), () => {})
}

/** Replaces the links in a body; `path` is that on the API. */
export type RequestRewriter = (
  request: IncomingMessage,
  body: RequestBody,
  path: string,
  mount: Mount,
) => RequestBody

/**
 * A body that is held is searched; of those that stream only `$batch`, because the others would lose
 * their length, which not every API can do without.
 */
export const createRequestRewriter =
  (mode: RewriteMode, links: LinkDirectory): RequestRewriter =>
  (request, body, path, mount) => {
    if (body === null || mode !== 'on' || isRawValue(path)) return body
    if (!Buffer.isBuffer(body) && !isBatch(path)) return body
    const { 'content-type': contentType = '', 'content-encoding': coding } = request.headers
    const type = coding === undefined ? rewritableType(contentType) : undefined
    return type === undefined ? body : rewrite(type, body, links.linksFor(request, mount).toApi)
  }

/** @returns the fields with the length of the body as it is now; without, if nobody knows it */
export const fitLength = (
  { headers: { 'content-length': announced } }: IncomingMessage,
  headers: readonly string[],
  body: RequestBody,
): readonly string[] => {
  if (body === null) return headers
  const length = Buffer.isBuffer(body) ? String(body.length) : undefined
  const isChanged = length === undefined ? body instanceof LinkTransform : length !== announced
  const at = headers.findIndex((name, i) => i % 2 === 0 && /^content-length$/i.test(name))
  if (!isChanged || at === -1) return headers
  return length === undefined ? headers.toSpliced(at, 2) : headers.with(at + 1, length)
}
