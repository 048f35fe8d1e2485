// The demo's token server and whom its Entities API trusts, over real sockets.
import t from 'tap'
import { dispatcher, send, startServers } from '../fixtures/demo-servers.ts'

const { api, tokenServer, askToken, authorize, close } = await startServers()
const authorization = await authorize()
t.teardown(async () => {
  await dispatcher.destroy()
  await close()
})

t.test('issues a token to a registered client only', async (t) => {
  const { status, json } = await askToken()
  t.equal(status, 200)
  t.match(json, { token_type: 'bearer', expires_in: 43_199, scope: /IntasIsa\.Read/, jti: /^\w+$/ })
  t.ok(json.access_token.length > 1000 && json.access_token.length < 2500)
  t.match(tokenServer.requests.at(-1), { method: 'POST', path: '/oauth/token', body: /client_id=/ })

  const wrong = [{ client_secret: 'wrong' }, { client_id: 'nobody' }]
  for (const refused of await Promise.all(wrong.map(askToken))) {
    t.equal(refused.status, 401)
    t.same(refused.json, { error: 'unauthorized', error_description: 'Bad credentials' })
  }
  t.equal((await askToken({ grant_type: 'password' })).status, 400)
  t.equal((await send('GET', `${tokenServer.url}/oauth/token`)).status, 405)
  t.equal((await send('GET', `${tokenServer.url}/nothing`)).status, 404)
})

t.test('refuses every other token in the same words', async (t) => {
  const foreign = await startServers()
  const late = await startServers({ lifetime: -3600 })
  const other = await startServers({ audience: ['other!b1'] })
  t.teardown(() => Promise.all([foreign.close(), late.close(), other.close()]))
  // A client of this API would be let in by its name alone, as SAP's library does for brokers.
  const stranger = await other.authorize({ client_id: 'sb-stranger!b9' })
  const url = `${api.entities}/Vendor`
  const tokens: [string, string, string?][] = [
    ['no token', url],
    ['not a bearer token', url, 'Basic c2VjcmV0'],
    ['not a token', url, 'Bearer abc'],
    ['a changed token', url, authorization.slice(0, -9)],
    ['signed by another server', url, await foreign.authorize()],
    ['expired', `${late.api.entities}/Vendor`, await late.authorize()],
    ['for another audience', `${other.api.entities}/Vendor`, stranger],
  ]
  await Promise.all(
    tokens.map(async ([title, target, value]) => {
      const answer = await send('GET', target, value === undefined ? {} : { authorization: value })
      t.equal(answer.status, 401, title)
      t.equal(answer.headers['www-authenticate'], 'Bearer error="invalid_token"', title)
      t.equal(answer.json.error.message.value, 'Unauthorized', title)
    }),
  )
})

t.test('refuses tokens once they are revoked, and accepts the next', async (t) => {
  const servers = await startServers()
  t.teardown(servers.close)
  const url = `${servers.api.entities}/Domain`
  const old = await servers.authorize()
  t.equal((await send('GET', url, { authorization: old })).status, 200)
  servers.tokenServer.revoke()
  t.equal((await send('GET', url, { authorization: old })).status, 401)
  t.equal((await send('GET', url, { authorization: await servers.authorize() })).status, 200)
  t.match(servers.api.requests[0], { method: 'GET', headers: { authorization: old } })
})
