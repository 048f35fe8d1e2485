import t, { type Test } from 'tap'
import { createCertificateAuthority } from '../../../demo/certificate-authority.ts'
import { HTTP_ONLY, jwt, run, serve, tokenResponse } from '../../fixtures/check-run.ts'
import { startConnectProxy, type ConnectProxyOptions } from '../../fixtures/connect-proxy.ts'

const authority = await createCertificateAuthority()

const API = 'https://api.example.test'
const TOKENS = 'https://tokens.example.test'

const throughProxy = async (t: Test, proxy: Omit<ConnectProxyOptions, 'hosts'> = {}) => {
  const tls = await authority.issueServer(['api.example.test', 'tokens.example.test'])
  const api = await serve(t, {}, tls)
  const tokens = await serve(t, tokenResponse(jwt({ cid: 'sb-0d3c!b1' })), tls)
  const hosts = { 'api.example.test:443': api.port, 'tokens.example.test:443': tokens.port }
  const { port } = await startConnectProxy(t, { hosts, ...proxy })
  return { HTTPS_PROXY: `http://user:canary-password@localhost:${port}` }
}

const nowhere = () => Promise.reject(new Error('asked a resolver'))

t.test('a proxy on the way is told, and what lies behind it is looked at', async (t) => {
  const environment = await throughProxy(t)
  const ca = authority.certificate
  const urls = { api: API, tokens: TOKENS, lookup: nowhere }
  const { code, output, json } = await run(t, { ...urls, ca, environment })
  t.equal(code, 0, output)
  const way = String.raw`through the proxy localhost:\d+ \(HTTPS_PROXY\), TLSv1\.3`
  t.match(output, new RegExp(String.raw`API api\.example\.test +${way}`))
  t.match(output, new RegExp(String.raw`token server tokens\.example\.test +${way}`))
  t.match(output, /certificate 2 +Demo Authority/)
  const proxy = { origin: /^http:\/\/localhost:\d+$/, variable: 'HTTPS_PROXY' }
  t.match(json.steps[3], { hosts: [{ proxy }, { proxy }] })
})

t.test('TLS behind a proxy is verified: exit code 12', async (t) => {
  const environment = await throughProxy(t)
  const { code, output } = await run(t, { api: API, tokens: TOKENS, environment })
  t.equal(code, 12)
  t.match(output, /API api\.example\.test: its certificate comes from an authority/)
})

t.test('a proxy that opens no tunnel is the problem: exit code 11', async (t) => {
  const environment = await throughProxy(t, { refuseWith: 407 })
  const { code, output } = await run(t, { api: API, tokens: TOKENS, environment })
  t.equal(code, 11)
  t.match(output, /The proxy of HTTPS_PROXY answered 407.* Correct HTTPS_PROXY, or name the host/)
})

t.test('plain http goes through the tunnel of HTTP_PROXY', async (t) => {
  const api = await serve(t, {})
  const tokens = await serve(t, HTTP_ONLY)
  const hosts = { 'api.example.test:80': api.port }
  const { port } = await startConnectProxy(t, { hosts })
  const environment = { HTTP_PROXY: `http://localhost:${port}`, SKP_ALLOW_HTTP: 'on' }
  const urls = { api: 'http://api.example.test', tokens: tokens.url }
  const { code, output } = await run(t, { ...urls, environment })
  t.equal(code, 0, output)
  t.match(output, /API api\.example\.test +through the proxy localhost:\d+ \(HTTP_PROXY\), no TLS/)
})
