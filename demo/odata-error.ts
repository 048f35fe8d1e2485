// Errors in the shape OData V2 prescribes, thrown where a request is refused.

/** The answer's body: https://www.odata.org/documentation/odata-version-2-0/json-format/ section 14. */
export const errorBody = (code: string, value: string) => ({
  error: { code, message: { lang: 'en', value } },
})

/** The fields the mock server looks for to answer with this error, instead of a plain-text 500. */
export class ODataError extends Error {
  readonly isCustomError = true
  readonly isGlobalRequestError = false
  readonly headers = { 'content-type': 'application/json' }
  readonly statusCode: number
  readonly messageData: ReturnType<typeof errorBody>

  constructor(statusCode: number, code: string, message: string) {
    super(message)
    this.statusCode = statusCode
    this.messageData = errorBody(code, message)
  }
}
