import t, { type Test } from 'tap'
import { Client } from 'undici'
import { withVettedFields } from '../../src/proxy/vetted-fields.ts'
import { startServer } from '../fixtures/recording-server.ts'

const TOKEN = ['authorization', 'Bearer token']

const startApi = async (t: Test) => {
  const seen: (string | undefined)[] = []
  const server = await startServer(t, (request, response) => {
    seen.push(request.headers.authorization)
    response.end()
  })
  const client = new Client(server.url)
  t.teardown(() => client.destroy())
  return { seen, client }
}

const send = (client: Client): Promise<unknown> => client.request({ path: '/', method: 'GET' })

t.test('the token goes out with the request that is made under it', async (t) => {
  const { seen, client } = await startApi(t)
  const answers: unknown[] = []
  withVettedFields(TOKEN, () => answers.push(send(client)) > 0)
  await Promise.all(answers)
  t.same(seen, ['Bearer token'])
})

t.test('a second request under it has no token', async (t) => {
  const { seen, client } = await startApi(t)
  const answers: unknown[] = []
  withVettedFields(TOKEN, () => answers.push(send(client), send(client)) > 0)
  await Promise.all(answers)
  t.same(seen, ['Bearer token', undefined])
})

t.test('where no request is made, the next one to another host gets no token', async (t) => {
  const { seen, client } = await startApi(t)
  withVettedFields(TOKEN, () => false)
  t.throws(() =>
    withVettedFields(TOKEN, () => {
      throw new Error('refused')
    }),
  )
  await send(client)
  t.same(seen, [undefined])
})

t.test('without a token nothing is added', async (t) => {
  const { seen, client } = await startApi(t)
  const answers: unknown[] = []
  withVettedFields(undefined, () => answers.push(send(client)) > 0)
  await Promise.all(answers)
  t.same(seen, [undefined])
})
