/**
 * CVE-2026-58044: Node drops the header fields of a request after the 1,000th, those of framing
 * included. This program asks for all of them and limits their size instead; what else runs on that
 * Node is exposed. Pure.
 */

/** The first release of each line that has the fix; lines in between never got it. */
const FIXED: Readonly<Record<number, readonly [minor: number, patch: number]>> = {
  22: [23, 2],
  24: [18, 1],
  26: [5, 1],
}
const NEWEST_LINE = 26

const isAffected = (version: string): boolean => {
  const [major = 0, minor = 0, patch = 0] = version.replace(/^v/, '').split('.').map(Number)
  if (major > NEWEST_LINE) return false
  const fixed = FIXED[major]
  if (fixed === undefined) return true
  return minor < fixed[0] || (minor === fixed[0] && patch < fixed[1])
}

/**
 * @param version of Node, such as `v24.18.1`
 * @returns what to tell the operator, if the version is affected
 */
export const nodeAdvisory = (version: string): string | undefined =>
  isAffected(version)
    ? `Node ${version.replace(/^v/, '')} loses header fields after the 1,000th (CVE-2026-58044), which this program works around; update Node to 22.23.2, 24.18.1, 26.5.1 or later`
    : undefined
