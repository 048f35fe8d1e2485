// Server-driven paging: a list that is long comes in pages, each with the address of the next one.

/** Entities in one answer at most. */
const PAGE_SIZE = 50

export interface Page {
  readonly results: readonly unknown[]
  readonly __next: string
  readonly __count?: string
}

/**
 * @param url what was asked for, relative to the service
 * @param publishedAt base URL of the service
 * @returns the entities themselves where they are few enough
 */
export function pageOf(
  entities: readonly unknown[],
  url: string,
  publishedAt: string,
  count: string | undefined,
): readonly unknown[] | Page {
  const next = new URL(url.replace(/^\/*/, ''), `${publishedAt}/`)
  const start = Number(next.searchParams.get('$skiptoken') ?? 0)
  const end = start + PAGE_SIZE
  const results = entities.slice(start, end)
  if (entities.length <= end) return results
  next.searchParams.set('$skiptoken', String(end))
  return { results, __next: next.href, ...(count === undefined ? {} : { __count: count }) }
}
