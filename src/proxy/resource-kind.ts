/** What the last segment of an OData path asks for. Pure. */

/** A raw value is data, whatever it looks like. */
export const isRawValue = (path: string): boolean => /\/\$value(?:\?|$)/.test(path)

export const isBatch = (path: string): boolean => /\/\$batch(?:\?|$)/.test(path)
