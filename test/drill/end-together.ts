/** Child processes never outlive the tool that started them, however it ends. */
import process from 'node:process'

/** @param end ends all of them at once */
export const endTogether = (end: () => void): void => {
  process.on('exit', end)
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => process.exit(code))
  }
}
