/** A CAP app as a client: the remote service's URL is the proxy's. */
import t from 'tap'
import { needsNode22 } from './cap-node.ts'
import { outputOf, startClient, tasksBy } from './client-process.ts'
import { play } from './scenario.ts'
import { startScene } from './scene.ts'

const version = outputOf(
  process.execPath,
  '-p',
  "require('../node_modules/@sap/cds/package.json').version",
)

for (const transport of ['fetch', 'the Cloud SDK']) {
  const title = `CAP ${version} by ${transport}${needsNode22 ? `: ${needsNode22}` : ''}`
  t.test(title, { skip: needsNode22 }, async (t) => {
    const scene = await startScene(t)
    const exchange = startClient(t, process.execPath, 'cap.mjs', scene.url, transport)
    const tasks = tasksBy(exchange)
    await play(t, scene, tasks, {
      batch: 'CAP has no API for change sets',
      ...(transport === 'fetch' ? {} : { links: 'CAP does not show them' }),
    })
    await t.test('asks in a $batch what is too long for a URL', async (t) => {
      t.match(await tasks.batch('SAP SE', '', ''), [{ Name: 'SAP SE' }])
      t.match(scene.api.requests.at(-1), { method: 'POST', path: /\/\$batch$/ })
    })
  })
}
