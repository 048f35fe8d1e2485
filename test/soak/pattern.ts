/** Large bodies that can be made and checked piece by piece, without ever being held. */

/** Prime, so that no size of a piece hides one that is missing. */
const PERIOD = 65_521
const BLOCK = Buffer.from(Array.from({ length: PERIOD * 2 }, (_, i) => ((i % PERIOD) * 31) % 251))

/** The bytes of every large body from `offset` on. */
const patternAt = (offset: number, length: number): Buffer => {
  const start = offset % PERIOD
  return BLOCK.subarray(start, start + Math.min(length, PERIOD))
}

/** @param size of all pieces together, in bytes */
export function* patternPieces(size: number): Generator<Buffer> {
  for (let offset = 0; offset < size;) {
    const piece = patternAt(offset, size - offset)
    offset += piece.length
    yield piece
  }
}

export class PatternCheck {
  bytes = 0
  isRight = true

  take(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      const expected = patternAt(this.bytes, chunk.length - at)
      this.isRight &&= expected.equals(chunk.subarray(at, at + expected.length))
      at += expected.length
      this.bytes += expected.length
    }
  }

  /** Whether exactly so many bytes came, and the right ones. */
  isWhole(size: number): boolean {
    return this.isRight && this.bytes === size
  }
}
