/**
 * `application/json; charset=utf-8` means nothing but `application/json` (RFC 8259 section 11), yet
 * the API refuses it. Pure.
 */

const JSON_WITH_PARAMETERS = /^application\/json[ \t]*;/i
const PARAMETER = /;[ \t]*([^\s;="]+)=("(?:[^"\\]|\\.)*"|[^\s;"]*)/g

/**
 * Every other type, parameter and charset stays byte for byte: a charset that is not UTF-8 is no
 * noise, and the API is right to refuse it.
 *
 * @param value of a `Content-Type` field
 */
export const withoutJsonCharset = (value: string): string => {
  if (!JSON_WITH_PARAMETERS.test(value)) return value
  const stripped = value.replace(PARAMETER, (parameter, name: string, text: string) =>
    /^charset$/i.test(name) && /^"?utf-?8"?$/i.test(text) ? '' : parameter,
  )
  return stripped === value ? value : stripped.trimEnd()
}
