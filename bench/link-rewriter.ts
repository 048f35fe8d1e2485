/**
 * `node --import tsx bench/link-rewriter.ts`: what rewriting links costs, in CPU time of one thread:
 * per byte of large documents with and without links, and per answer of 2 KB.
 */
import { LinkRewriter, LinkTable } from '../src/odata/link-rewriter.ts'

const BASE = 'https://intas-api.cfapps.eu10.hana.ondemand.com/intas/entities/v1'
const LARGE = 10 * 1024 * 1024
const SMALL = 2 * 1024
const CHUNK = 64 * 1024
const ROUNDS = 15

const table = new LinkTable([
  { base: new URL(BASE), replacement: 'http://localhost:8080', pathAbsolute: true },
])

const fields = (id: number) => ({
  Id: `0d3c9a51-6f4e-4b1c-9a53-${id}`,
  Name: `Vendor number ${id} of a list that is long`,
  CreatedAt: '/Date(1700000000000)/',
  ModifiedAt: '/Date(1700000000000)/',
})

const DOCUMENTS: Record<string, (id: number) => object> = {
  'without links': fields,
  'an id, a uri and a deferred link each 450 bytes': (id) => ({
    __metadata: {
      id: `${BASE}/Vendor('${id}')`,
      uri: `${BASE}/Vendor('${id}')`,
      type: 'com.sap.intas.entities.Vendor',
    },
    ...fields(id),
    Applications: { __deferred: { uri: `${BASE}/Vendor('${id}')/Applications` } },
  }),
  'with path-absolute links': (id) => ({
    __metadata: {
      uri: `/intas/entities/v1/Vendor('${id}')`,
      type: 'com.sap.intas.entities.Vendor',
    },
    ...fields(id),
  }),
  'with links of another host': (id) => ({ uri: `https://example.com/a/b/${id}`, ...fields(id) }),
}

const documentOf = (entity: (id: number) => object, bytes: number): Buffer => {
  const entities: string[] = []
  for (let length = 0; length < bytes; length += entities.at(-1)?.length ?? 0) {
    entities.push(JSON.stringify(entity(entities.length)))
  }
  return Buffer.from(`{"d":{"results":[${entities.join(',')}]}}`)
}

/** @returns nanoseconds of CPU time of the best round */
const best = (run: () => void): number => {
  const times = Array.from({ length: ROUNDS }, () => {
    const before = process.cpuUsage()
    run()
    const { user, system } = process.cpuUsage(before)
    return (user + system) * 1000
  })
  return Math.min(...times)
}

const perByte = (document: Buffer): { time: number; links: number } => {
  const chunks: Buffer[] = []
  for (let at = 0; at < document.length; at += CHUNK) {
    chunks.push(document.subarray(at, at + CHUNK))
  }
  let links = 0
  const time = best(() => {
    const rewriter = new LinkRewriter(table)
    for (const chunk of chunks) rewriter.push(chunk)
    rewriter.end()
    links = rewriter.count
  })
  return { time: time / document.length, links }
}

const REPEAT = 5_000
const perAnswer = (document: Buffer): { time: number; links: number } => {
  let links = 0
  const time = best(() => {
    for (let i = 0; i < REPEAT; i += 1) {
      const rewriter = new LinkRewriter(table)
      rewriter.end(document)
      links = rewriter.count
    }
  })
  return { time: time / REPEAT / 1000, links }
}

for (const [title, entity] of Object.entries(DOCUMENTS)) {
  const large = perByte(documentOf(entity, LARGE))
  const small = perAnswer(documentOf(entity, SMALL))
  process.stdout.write(
    `${title}\n` +
      `  10 MB  ${large.time.toFixed(2)} ns/byte, ${large.links} links\n` +
      `  2 KB   ${small.time.toFixed(2)} us/answer, ${small.links} links\n`,
  )
}
