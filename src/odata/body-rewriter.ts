/** The rewriter for a body of some type. Pure. */
import { BatchRewriter, type BatchOptions } from './batch-rewriter.ts'
import { LinkRewriter } from './link-rewriter.ts'
import type { RewritableType } from './rewritable-type.ts'

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
