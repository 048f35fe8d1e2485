/** What a request asks for, where the question is whether it may be sent twice. */
import type { IncomingMessage } from 'node:http'
import { effectiveMethods } from '../policy/method-override.ts'
import { fieldsOf } from './guarded-access.ts'

/** No method may be repeated that a GET carries along in `X-HTTP-Method`, or the like. */
const TUNNELLED = 'tunnelled'

export const repeatableMethod = (request: IncomingMessage): string => {
  const { method = '', url = '' } = request
  const query = url.includes('?') ? url.slice(url.indexOf('?') + 1) : ''
  const methods = effectiveMethods({ method, headers: fieldsOf(request), query })
  return Array.isArray(methods) && methods.length === 1 ? method : TUNNELLED
}
