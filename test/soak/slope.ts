/** A straight line through samples, and how sure its slope is. Pure. */

export interface Point {
  readonly x: number
  readonly y: number
}

/** y per x; between `low` and `high` with 95 % confidence. */
export interface Slope {
  readonly slope: number
  readonly low: number
  readonly high: number
}

/** Two-sided 95 % of the normal distribution. */
const Z = 1.959964

/** Of Student's t with ν degrees of freedom: Cornish-Fisher (Abramowitz & Stegun 26.7.5). */
const quantile = (freedom: number): number =>
  Z +
  (Z ** 3 + Z) / (4 * freedom) +
  (5 * Z ** 5 + 16 * Z ** 3 + 3 * Z) / (96 * freedom ** 2) +
  (3 * Z ** 7 + 19 * Z ** 5 + 17 * Z ** 3 - 15 * Z) / (384 * freedom ** 3)

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

/**
 * Neighbouring samples of a process resemble each other, so that there is less in them than their
 * number says: it is corrected by the correlation of neighbours (lag 1) of what the line leaves over.
 */
const effectiveCount = (residuals: readonly number[], squares: number): number => {
  const count = residuals.length
  const product = sum(residuals.map((value, i) => value * (residuals[i + 1] ?? 0)))
  const correlation = squares === 0 ? 0 : Math.max(0, product / squares)
  return Math.max(3, (count * (1 - correlation)) / (1 + correlation))
}

const MIN_POINTS = 5

/** Ordinary least squares. @returns `undefined` where there are too few points */
export const slopeOf = (points: readonly Point[]): Slope | undefined => {
  if (points.length < MIN_POINTS) return undefined
  const meanX = sum(points.map(({ x }) => x)) / points.length
  const meanY = sum(points.map(({ y }) => y)) / points.length
  const spread = sum(points.map(({ x }) => (x - meanX) ** 2))
  if (spread === 0) return undefined
  const slope = sum(points.map(({ x, y }) => (x - meanX) * (y - meanY))) / spread
  const residuals = points.map(({ x, y }) => y - meanY - slope * (x - meanX))
  const squares = sum(residuals.map((value) => value ** 2))
  const freedom = effectiveCount(residuals, squares) - 2
  const reach = quantile(freedom) * Math.sqrt(squares / freedom / spread)
  return { slope, low: slope - reach, high: slope + reach }
}
