/** SAP Cloud SDK: the destination is the proxy's URL, without authentication. */
import t from 'tap'
import { outputOf, startClient, tasksBy } from './client-process.ts'
import { play } from './scenario.ts'
import { startScene } from './scene.ts'

const versionOf = (name: string) =>
  outputOf(process.execPath, '-p', `require('../node_modules/${name}/package.json').version`)

const scene = await startScene(t)

const title = `SAP Cloud SDK, odata-v2 ${versionOf('@sap-cloud-sdk/odata-v2')}`
await t.test(title, async (t) => {
  await play(t, scene, tasksBy(startClient(t, process.execPath, 'cloud-sdk.mjs', scene.url)))
})

t.test('the SDK fetched a CSRF token for each write, and sent it along', async (t) => {
  const { requests } = scene.api
  const writes = requests.filter(({ method, headers, path }) => {
    return method !== 'GET' && method !== 'HEAD' && path !== '/' && headers.authorization
  })
  t.equal(writes.length, 6)
  for (const { headers } of writes) {
    t.match(headers['x-csrf-token'], /^[\w-]{20,}$/)
    t.match(headers.cookie, `session=${String(headers['x-csrf-token'])}`)
  }
  const fetches = requests.filter(({ headers }) => /^fetch$/i.test(String(headers['x-csrf-token'])))
  t.equal(fetches.length, writes.length)
})
