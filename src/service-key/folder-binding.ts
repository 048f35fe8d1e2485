/**
 * Files of a mounted folder → binding. Pure. The layouts, all told apart by what is there:
 * - servicebinding.io: a file per field, `type` and `provider` beside them;
 * - Cloud Foundry, `service-binding-k8s`: the same, with metadata in files such as `binding-name`;
 * - SAP BTP service operator: the same with `.metadata`, which names the fields and their format;
 *   `secretKey`: one JSON file and `.metadata`; `secretRootKey`: one JSON object of texts;
 *   `secretTemplate`: whatever its author wrote.
 */
import {
  asObject,
  type Binding,
  isJsonObject,
  type JsonObject,
  parseJson,
  parseJsonObject,
  texts,
} from './binding.ts'
import type { MountedFolder } from './mounted-folders.ts'

export const folderBinding = ({ names, files, problems, watch }: MountedFolder): Binding => {
  const fields = fieldsOf(files)
  const at = (name: string): unknown => fields.all[name] ?? fields.all[name.replaceAll('_', '-')]
  const declared = texts([at('type'), at('label')])
  const folders = names.toReversed()
  return {
    names: [...new Set(texts([folders[0], at('binding_name'), at('name'), at('instance_name')]))],
    labels: [...new Set([...declared, ...texts([...tagsOf(at('tags')), ...folders.slice(1)])])],
    guid: texts([at('binding_guid')])[0],
    userProvided: declared.every((label) => label === 'user-provided'),
    credentials: Object.fromEntries(
      Object.entries(fields.all).filter(([name]) => !METADATA.has(name)),
    ),
    problems: [...problems, ...fields.problems],
    watch: [watch],
  }
}

interface Fields {
  readonly all: JsonObject
  readonly problems: readonly string[]
}

const fieldsOf = (files: ReadonlyMap<string, string>): Fields => {
  const text = files.get('.metadata')
  if (text === undefined) return plainFields(files)
  const metadata = parseJsonObject(text)
  if (metadata !== undefined) return describedFields(files, metadata)
  const { all, problems } = plainFields(files)
  return { all, problems: ['file ".metadata" is not a JSON object', ...problems] }
}

/** A JSON list, or what a `secretTemplate` makes of one: texts with commas between them. */
const tagsOf = (value: unknown): readonly unknown[] => {
  const list = typeof value === 'string' ? (parseJson(value) ?? value.split(',')) : value
  return Array.isArray(list)
    ? list.map((tag: unknown) => (typeof tag === 'string' ? tag.trim() : tag))
    : []
}

/** Names of fields that say what the binding is. Cloud Foundry writes them with hyphens. */
const METADATA: ReadonlySet<string> = new Set(
  [
    ['type', 'provider', 'label', 'plan', 'tags', 'name', '.metadata'],
    ['binding_name', 'binding_guid', 'instance_name', 'instance_guid'],
    ['syslog_drain_url', 'volume_mounts'],
  ]
    .flat()
    .flatMap((name) => [name, name.replaceAll('_', '-')]),
)

const plainFields = (files: ReadonlyMap<string, string>): Fields =>
  unwrap(
    Object.fromEntries(
      [...files]
        .filter(([name]) => name !== '.metadata')
        .map(([name, text]) => [name, asObject(text) ?? textOf(text)]),
    ),
  )

/** A text file by hand ends with a line break that is not part of the value; a PEM text has more. */
const textOf = (text: string): string => text.replace(/^([^\r\n]*)\r?\n$/, '$1')

const describedFields = (files: ReadonlyMap<string, string>, metadata: JsonObject): Fields => {
  const problems: string[] = []
  const all: [string, unknown][] = []
  for (const { name, isJson, isContainer } of [
    ...propertiesOf(metadata['credentialProperties']),
    ...propertiesOf(metadata['metaDataProperties']),
  ]) {
    const text = files.get(name)
    if (text === undefined) continue
    const value = isJson ? parseJson(text) : textOf(text)
    if (value === undefined) problems.push(`file "${name}" is not JSON, which .metadata says it is`)
    else if (isContainer && isJsonObject(value)) all.push(...Object.entries(value))
    else all.push([name, value])
  }
  return { all: Object.fromEntries(all), problems }
}

/** Of `.metadata`. */
const propertiesOf = (list: unknown) =>
  (Array.isArray(list) ? (list as readonly unknown[]) : []).filter(isJsonObject).map((entry) => ({
    name: String(entry['name']),
    isJson: entry['format'] === 'json',
    isContainer: entry['container'] === true,
  }))

/** Takes the fields of the key out of the one value that holds them all. */
const unwrap = (fields: JsonObject, wrappers = MAX_WRAPPERS): Fields => {
  if (holdsClient(fields)) return { all: fields, problems: [] }
  const holders = Object.entries(fields).filter(([, value]) => holdsKey(value, wrappers))
  const [name, value] = holders[0] ?? []
  if (name === undefined) return { all: fields, problems: [] }
  if (holders.length > 1) {
    const names = holders.map(([holder]) => JSON.stringify(holder)).join(', ')
    return { all: fields, problems: [`several files hold a key (${names})`] }
  }
  const { [name]: _, ...rest } = fields
  return unwrap({ ...rest, ...asObject(value) }, wrappers - 1)
}

/** A file, in it `{"credentials": …}` as `cf service-key` prints or `secretKey` in `secretRootKey`. */
const MAX_WRAPPERS = 2

const holdsClient = (object: JsonObject): boolean =>
  Object.hasOwn(object, 'clientid') || Object.hasOwn(object, 'uaa')

const holdsKey = (value: unknown, wrappers: number): boolean => {
  const object = asObject(value)
  if (object === undefined || wrappers === 0) return false
  return holdsClient(object) || Object.values(object).some((inner) => holdsKey(inner, wrappers - 1))
}
