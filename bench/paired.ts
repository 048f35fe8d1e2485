/** Contestants that are alike, such as two builds, or one with several flags of Node. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { startFlags } from '../scripts/start-command.ts'
import { ourProxy, plainPeer, type Peer } from './peers.ts'
import { BASELINE } from './results.ts'

/** `NAME=FILE`, and after an `@` its flags, which may be none. */
const FORM = /^(?<id>[^=]+)=(?<file>.+?)(?:@(?<flags>(?:-.*)?))?$/

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '')

const contestant = (text: string, usual: readonly string[]): Peer => {
  const { id, file, flags: own } = FORM.exec(text)?.groups ?? {}
  if (id === undefined || file === undefined) throw new Error(`"${text}" is not NAME=FILE`)
  const flags = own === undefined ? usual : words(own)
  if (file === BASELINE) return plainPeer(id, flags)
  const path = resolve(file)
  if (!existsSync(path)) throw new Error(`there is no ${path}`)
  return ourProxy({ id, name: id }, [process.execPath, ...flags, path])
}

/**
 * @param list `NAME=FILE[@FLAGS],…`: FILE is a built proxy, or `plain-http-proxy` for that peer
 * @param flags of Node for those without their own; default: those of `npm start`
 */
export const contestantsOf = (list: string, flags: string | undefined): Peer[] => {
  const usual = flags === undefined ? startFlags() : words(flags)
  const peers = list.split(',').map((text) => contestant(text, usual))
  if (new Set(peers.map(({ id }) => id)).size < peers.length) throw new Error('a name comes twice')
  return peers
}
