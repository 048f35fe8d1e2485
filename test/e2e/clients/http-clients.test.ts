/** Clients that speak HTTP and nothing else, each as a program that its users could have written. */
import t, { type Test } from 'tap'
import { outputOf, sendBy, startClient } from './client-process.ts'
import { httpTasks } from './http-tasks.ts'
import { play } from './scenario.ts'
import { startScene } from './scene.ts'

interface Client {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  /** Prints a version; where it fails, the client is skipped. */
  readonly version: readonly [string, ...string[]]
}

const node = (name: string, program: string, version: string): Client => ({
  name,
  command: [process.execPath, `${program}.mjs`],
  version: [process.execPath, '-p', version],
})
const packageVersion = (name: string) => `require('../node_modules/${name}/package.json').version`
const python = (name: string, library: string, version: string): Client => ({
  name,
  command: ['python3', 'client.py', library],
  version: ['python3', '-c', version],
})

const CLIENTS: readonly Client[] = [
  node('axios', 'axios', packageVersion('axios')),
  node('undici', 'undici', packageVersion('undici')),
  node('fetch of Node', 'fetch', 'process.version'),
  node('node:http', 'node-http', 'process.version'),
  python('requests of Python', 'requests', 'import requests; print(requests.__version__)'),
  python('urllib of Python', 'urllib', 'import platform; print(platform.python_version())'),
  { name: 'HttpClient of Java', command: ['java', 'Client.java'], version: ['java', '--version'] },
  {
    name: 'curl',
    command: [process.execPath, 'curl.mjs'],
    version: ['curl', '--version'],
  },
]

const scene = await startScene(t)

for (const { name, command, version } of CLIENTS) {
  const found = outputOf(...version)?.split('\n')[0]
  const title = `${name} ${found ?? `is skipped: ${version[0]} or the library is not here`}`
  await t.test(title, { skip: found === undefined }, async (t: Test) => {
    const exchange = startClient(t, ...command)
    await play(t, scene, httpTasks(scene.url, sendBy(exchange)))
  })
}
