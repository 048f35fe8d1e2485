/** Which methods are forwarded. */
import { METHODS } from 'node:http'

/** TRACE would echo the token back to the caller; CONNECT asks for a tunnel, not for a resource. */
const NEVER_FORWARDED: ReadonlySet<string> = new Set(['TRACE', 'CONNECT'])

/** Every other method that Node can parse, MERGE of OData V2 among them. */
export const FORWARDED_METHODS: readonly string[] = METHODS.filter(
  (method) => !NEVER_FORWARDED.has(method),
)
