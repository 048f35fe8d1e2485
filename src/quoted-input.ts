/**
 * A piece of the user's input for an error text, unless it might be a pasted key: settings are
 * short and flat, keys are neither.
 */
const MAX_LENGTH = 60

export const quotedInput = (value: string): string =>
  value.length > MAX_LENGTH || /[{}"\n]/.test(value)
    ? '(a text that is not repeated here, because it may be a key)'
    : JSON.stringify(value)
