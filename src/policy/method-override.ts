/**
 * The methods that servers may take a request for: its own, and those that it asks for elsewhere.
 * Pure.
 *
 * OData V2 tunnels methods through `X-HTTP-Method`, others through `X-HTTP-Method-Override` or
 * `X-Method-Override`; Apache CXF also takes `_method` of the query, even for a GET. Which of them
 * the API heeds is not known, so a request counts as all of its methods.
 */

export interface MethodSources {
  readonly method: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Without the question mark. */
  readonly query: string
}

/** Names and values of a query, decoded once; for some servers a semicolon ends them, too. */
export const queryFields = (query: string): readonly (readonly [name: string, value: string])[] =>
  query.split(/[&;]/).map((field) => {
    const [name = '', ...value] = field.split('=')
    return [decode(name), decode(value.join('='))]
  })

/**
 * @returns every method, in capitals, the request's own first; or a sentence about "it", the
 *   request, if they cannot be told
 */
export const effectiveMethods = (request: MethodSources): readonly string[] | string => {
  const headers = request.headers.filter(([name]) => isOverride(name))
  const fields = queryFields(request.query).filter(([name]) => /^_method$/i.test(name))
  const others = new Set<string>()
  for (const [, value] of [...headers, ...fields]) {
    const method = METHOD.exec(value)?.[1]
    if (method === undefined) return 'Its X-HTTP-Method, or the like, names no method.'
    others.add(method.toUpperCase())
  }
  if (others.size > 1) return 'It asks for several methods through X-HTTP-Method or the like.'
  return [...new Set([request.method, ...others])]
}

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Some servers turn fields into variables: to them `X_HTTP_Method` is the same name. */
const isOverride = (name: string): boolean => FIELD.test(name.toLowerCase().replaceAll('_', '-'))

const FIELD = /^x-(?:http-)?method(?:-override)?$/

const METHOD = /^[ \t]*([a-z]+(?:-[a-z]+)*)[ \t]*$/i
