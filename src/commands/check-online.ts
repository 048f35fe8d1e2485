/** The steps of `check` that need the network, within one limit for all of them. */
import type { ServiceKey } from '../service-key/service-key.ts'
import type { AccessToken } from '../token/access-token.ts'
import { checkApi } from './check-api.ts'
import { checkConnection } from './check-connection.ts'
import type { Step, Subject } from './check-key.ts'
import type { Online } from './check-place.ts'
import type { StepReport } from './check-report.ts'
import { checkToken, type TokenFinding } from './check-token.ts'
import { EXIT } from './edge.ts'

/** After the key step there is one. */
const keyOf = ({ key }: Subject): ServiceKey => key as ServiceKey

const outOfTime = (step: string, exitCode: number): StepReport => ({
  step,
  exitCode,
  summary: 'not looked at',
  problems: ['the steps before it took all the time there is; mend what is slow, and try again'],
  warnings: [],
  rows: [],
  data: {},
})

const limited =
  (
    { deadline }: Online,
    [step, exitCode]: readonly [step: string, exitCode: number],
    take: (subject: Subject) => Promise<TokenFinding>,
  ): Step =>
  async (subject) => {
    const { prefix } = subject.mount
    const { report, token } = deadline.aborted
      ? { report: outOfTime(step, exitCode) }
      : await take(subject)
    return {
      report: { ...report, mount: prefix === '' ? '/' : prefix },
      subject: token === undefined ? subject : { ...subject, token },
    }
  }

/** @returns the steps for the mounts of one binding, which share one token */
export const onlineSteps = (online: Online, onToken: (token: string) => void): readonly Step[] => {
  let finding: Promise<TokenFinding> | undefined
  return [
    limited(online, ['connection', EXIT.connection], async (subject) => ({
      report: await checkConnection(online, keyOf(subject)),
    })),
    limited(online, ['token', EXIT.tokenEndpoint], async (subject) => {
      finding ??= checkToken(online, keyOf(subject))
      const { report, token } = await finding
      if (token === undefined) return { report }
      onToken(token.value)
      return { report, token }
    }),
    limited(online, ['api', EXIT.api], async (subject) => ({
      report: await checkApi(online, keyOf(subject), subject.token as AccessToken),
    })),
  ]
}
