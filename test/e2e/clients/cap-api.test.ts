/** A second API with other habits: CAP's adapter for OData V2, which writes absolute links. */
import t from 'tap'
import { startCapApi } from './cap-api.ts'
import { needsNode22 } from './cap-node.ts'
import { sendBy, startClient, tasksBy } from './client-process.ts'
import { httpTasks } from './http-tasks.ts'
import { play } from './scenario.ts'
import { startScene } from './scene.ts'

const title = `CAP with its adapter for OData V2 as the API${needsNode22 ? `: ${needsNode22}` : ''}`

t.test(title, { skip: needsNode22 }, async (t) => {
  const scene = await startScene(t, startCapApi)

  await t.test('its links are absolute and name itself', async (t) => {
    const list = await scene.direct('ApplicationInstance')
    t.match(list, { __next: `${scene.api.entities}/ApplicationInstance?$skiptoken=50` })
  })
  await t.test('undici', async (t) => {
    const exchange = startClient(t, process.execPath, 'undici.mjs')
    await play(t, scene, httpTasks(scene.url, sendBy(exchange)))
  })
  await t.test('SAP Cloud SDK', async (t) => {
    const exchange = startClient(t, process.execPath, 'cloud-sdk.mjs', scene.url)
    await play(t, scene, tasksBy(exchange))
  })
  await t.test('CAP', async (t) => {
    const exchange = startClient(t, process.execPath, 'cap.mjs', scene.url, 'fetch')
    await play(t, scene, tasksBy(exchange), { batch: 'CAP has no API for change sets' })
  })
})
