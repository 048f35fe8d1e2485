/**
 * The JSON error bodies of OData: V2 wraps the text in `{lang, value}`, V4 has it plain
 * (OData JSON Format 4.01, section 21.1).
 */
export const errorDocument = (code: string, message: string, version: 'V2' | 'V4'): string =>
  JSON.stringify({
    error: { code, message: version === 'V4' ? message : { lang: 'en', value: message } },
  })

/** V4 requests name their version in a field that V2 does not know. */
export const requestedVersion = (headers: { readonly [name: string]: unknown }): 'V2' | 'V4' =>
  headers['odata-version'] !== undefined || headers['odata-maxversion'] !== undefined ? 'V4' : 'V2'
