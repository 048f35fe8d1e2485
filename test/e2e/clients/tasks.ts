/** What every client must be able to do with the Entities API, in its own way. */

export interface Entity {
  readonly Id: string
  readonly Name: string
  readonly Vendor?: { readonly Name: string }
}

export type Method = 'PATCH' | 'PUT' | 'MERGE'

export interface Tasks {
  /** The text of the metadata document. */
  readonly metadata: () => Promise<string>
  /** The first `top` vendors by name. */
  readonly list: (top: number) => Promise<readonly Entity[]>
  /** All application instances, which are more than a page has. */
  readonly pages: () => Promise<readonly Entity[]>
  /** Three applications with their vendors inside. */
  readonly expand: () => Promise<readonly Entity[]>
  /** The vendors of this name. */
  readonly filter: (name: string) => Promise<readonly Entity[]>
  /** @returns the Id of the new application */
  readonly create: (name: string) => Promise<string>
  readonly change: (method: Method, id: string, name: string) => Promise<unknown>
  readonly remove: (id: string) => Promise<unknown>
  /**
   * In one request: reads two vendors, and in one change set renames an application and creates one.
   * @returns the vendors
   */
  readonly batch: (id: string, rename: string, create: string) => Promise<readonly Entity[]>
  /** Every link in an answer so far. */
  readonly links: () => Promise<readonly string[]>
}

/** Why a client does not do something, by task or method. */
export type Exceptions = Partial<Record<keyof Tasks | Method, string>>
