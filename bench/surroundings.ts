/** What every proxy has around it: the API, the token server, the authority to trust, a log. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCertificateAuthority } from '../demo/certificate-authority.ts'
import { startAnnouncing, startSilent } from './children.ts'
import type { StartProxy } from './proxy-process.ts'
import { BASE, DOCUMENTS } from './scenarios.ts'
import { startTokenServer } from './token-server.ts'

export interface Surroundings {
  /** Base URL of the API. */
  readonly upstream: { readonly plain: string; readonly tls: string }
  readonly tokenServer: string
  /** The field that proxies have to send. */
  readonly authorization: string
  /** PEM file of the authority that the API's certificate is from. */
  readonly caFile: string
  /** For files of this run; gone after it. */
  readonly folder: string
  /** Where proxies write: a pipe that something reads, as in a container. */
  readonly log: number
  readonly startProxy: StartProxy
  /** Connections that the API has seen so far. */
  readonly connectionsOpened: () => Promise<number>
}

const openLog = (folder: string): number => {
  const pipe = join(folder, 'log')
  if (spawnSync('mkfifo', [pipe]).status !== 0) return openSync('/dev/null', 'w')
  startSilent(['cat', pipe], {})
  return openSync(pipe, 'r+')
}

export const startSurroundings = async (
  startProxy: StartProxy,
): Promise<Surroundings & { readonly close: () => void }> => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const authority = await createCertificateAuthority()
  const { certificate, key } = await authority.issueServer()
  const caFile = join(folder, 'ca.pem')
  writeFileSync(caFile, authority.certificate)
  const tokenServer = await startTokenServer()
  const { authorization } = tokenServer
  const api = join(folder, 'api.json')
  const told = { authorization, certificate, key, documents: DOCUMENTS, base: BASE }
  writeFileSync(api, JSON.stringify(told))
  const program = fileURLToPath(new URL('upstream.mjs', import.meta.url))
  const { line } = await startAnnouncing([process.execPath, program, api], {})
  const ports = JSON.parse(line) as { plain: number; tls: number; counter: number }
  return {
    upstream: {
      plain: `http://127.0.0.1:${ports.plain}/v1`,
      tls: `https://localhost:${ports.tls}/v1`,
    },
    tokenServer: tokenServer.url,
    authorization,
    caFile,
    folder,
    log: openLog(folder),
    startProxy,
    connectionsOpened: async () => {
      const answer = await fetch(`http://127.0.0.1:${ports.counter}/`)
      return Number(await answer.text())
    },
    close: tokenServer.close,
  }
}
