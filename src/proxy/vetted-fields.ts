/**
 * Fields of the proxy's own on their way past undici's check of every field for illegal bytes. They were
 * checked when they were made, and the token has 2 KB: looking through them again for each request says
 * nothing new. undici's channel for new requests lets its listeners add to their fields; it is told of a
 * request while `dispatch` runs, which is how the token meets its own request and no other one.
 */
import { subscribe } from 'node:diagnostics_channel'

interface NewRequest {
  /** Alternating names and values. */
  readonly request: { readonly headers: string[] }
}

/** For the request that is made next; nothing comes between. */
let vetted: readonly string[] | undefined

subscribe('undici:request:create', (message) => {
  if (vetted === undefined) return
  ;(message as NewRequest).request.headers.push(...vetted)
  vetted = undefined
})

/**
 * @param fields alternating names and values, known to have no illegal bytes
 * @param dispatch makes one request, before it returns; if it does not, nobody gets the fields
 */
export const withVettedFields = (
  fields: readonly string[] | undefined,
  dispatch: () => boolean,
): boolean => {
  vetted = fields
  try {
    return dispatch()
  } finally {
    vetted = undefined
  }
}
