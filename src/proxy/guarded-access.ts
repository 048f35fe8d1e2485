/**
 * SKP_ACCESS and SKP_ALLOW on a request's way: its head is judged when it is admitted, a `$batch`
 * once its whole body is there.
 */
import type { IncomingMessage } from 'node:http'
import type { Failure } from '../errors.ts'
import { readBatch } from '../odata/batch-reader.ts'
import { judgeRequest, type AccessRules } from '../policy/access-policy.ts'
import { judgeBatch } from '../policy/batch-policy.ts'
import type { Journal } from './journal.ts'
import type { Mount } from './mount.ts'

type Field = readonly [name: string, value: string]

export const fieldsOf = ({ rawHeaders }: IncomingMessage): readonly Field[] =>
  rawHeaders.flatMap((name, i): Field[] =>
    i % 2 === 0 ? [[name, rawHeaders[i + 1] as string]] : [],
  )

/**
 * Judges the head of a request, and notes in the journal if its body has to be judged, too.
 *
 * @param path on the API, with query
 */
export const judgeHead = (
  access: AccessRules,
  request: IncomingMessage,
  { basePath }: Mount,
  path: string,
  journal: Journal,
): Failure | undefined => {
  const rest = path.slice(basePath.length)
  const verdict = judgeRequest(access, {
    method: request.method as string,
    headers: fieldsOf(request),
    path: rest.startsWith('/') ? rest : `/${rest}`,
  })
  if (typeof verdict !== 'string') return verdict
  journal.isGuardedBatch = verdict === 'batch'
  return undefined
}

/** Judges the parts of a `$batch`. */
export const judgeBody = (
  access: AccessRules,
  request: IncomingMessage,
  mount: Mount,
  body: Buffer,
): Failure | undefined => {
  const valuesOf = (wanted: string): readonly string[] =>
    fieldsOf(request).flatMap(([name, value]) => (name.toLowerCase() === wanted ? [value] : []))
  const [type, ...otherTypes] = valuesOf('content-type')
  const isPlain = otherTypes.length + valuesOf('content-encoding').length === 0
  const content =
    type !== undefined && isPlain
      ? readBatch(type, body)
      : ({ ok: false, reason: 'It has a Content-Encoding, or not just one Content-Type.' } as const)
  return judgeBatch(access, mount, content)
}
