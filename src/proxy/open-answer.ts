/** Which way an answer takes: as it is, or with its links replaced. */
import { planAnswer, withoutBodyFields } from './answer-plan.ts'
import { PlainAnswer, type Answer, type AnswerOptions } from './answer.ts'
import type { LinkDirectory, RewriteMode } from './links.ts'
import type { Mount } from './mount.ts'
import { isRawValue } from './resource-kind.ts'
import { CollectedAnswer, StreamedAnswer } from './rewritten-answer.ts'

const hasNoBody = ({ request, status }: AnswerOptions): boolean =>
  request.method === 'HEAD' || status === 204 || status === 304

/** Opens an answer that came from this mount. */
export type AnswerOpener = (answer: AnswerOptions, mount: Mount) => Answer

export const createAnswerOpener = (mode: RewriteMode, links: LinkDirectory): AnswerOpener => {
  if (mode === 'off') return (answer) => new PlainAnswer(answer)
  return (answer, mount) => {
    const { request, headers, journal } = answer
    const { toCaller } = links.linksFor(request, mount)
    const plan = planAnswer(headers, toCaller.table)
    if (plan === undefined || mode === 'headers' || isRawValue(journal.path)) {
      return new PlainAnswer(answer)
    }
    if (hasNoBody(answer)) {
      // Nobody knows how long the body would be that is not there.
      return new PlainAnswer({ ...answer, headers: withoutBodyFields(headers) })
    }
    return plan.isSmall
      ? new CollectedAnswer(answer, plan, toCaller)
      : new StreamedAnswer(answer, plan, toCaller)
  }
}

/** Notes when the head of an answer is there. */
export const timed =
  (openAnswer: AnswerOpener, now: () => number): AnswerOpener =>
  (answer, mount) => {
    answer.journal.answeredAt = now()
    return openAnswer(answer, mount)
  }
