/**
 * The token on its way past undici's check of every field for illegal bytes: it has 2 KB and was checked
 * when it was granted, so that looking through it again for each request says nothing new. undici's
 * channel for new requests lets its listeners add to their fields; it is told of a request while
 * `dispatch` runs, which is how the token meets its own request and no other one.
 */
import { subscribe } from 'node:diagnostics_channel'

interface NewRequest {
  /** Alternating names and values. */
  readonly request: { readonly headers: string[] }
}

/** For the request that is made next; nothing comes between. */
let vetted: string | undefined

subscribe('undici:request:create', (message) => {
  if (vetted === undefined) return
  ;(message as NewRequest).request.headers.push('authorization', vetted)
  vetted = undefined
})

/**
 * @param authorization value of the field; must be known to have no illegal bytes. `undefined`: none
 * @param dispatch makes one request, before it returns; if it does not, nobody gets the value
 */
export const withAuthorization = (
  authorization: string | undefined,
  dispatch: () => boolean,
): boolean => {
  vetted = authorization
  try {
    return dispatch()
  } finally {
    vetted = undefined
  }
}
