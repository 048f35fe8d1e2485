/**
 * A forwarder as teams write it by hand: Fastify, and the SAP Cloud SDK for the call. The SDK finds
 * the bound key, fetches its token and keeps it. Without a bound key its destination is given, token
 * and all, so that it need not look anything up.
 */
import { transformServiceBindingToClientCredentialsDestination as withClientCredentials } from '@sap-cloud-sdk/connectivity'
import { executeHttpRequest } from '@sap-cloud-sdk/http-client'
import Fastify from 'fastify'

const { BENCH_UPSTREAM: url, BENCH_AUTHORIZATION: authorization, PORT: port } = process.env

const given = () => {
  const [type, value] = authorization.split(' ')
  const token = { key: 'Authorization', value: authorization }
  return {
    url,
    authentication: 'OAuth2ClientCredentials',
    authTokens: [{ type, value, expiresIn: '43200', error: null, http_header: token }],
  }
}

const bound = () => ({
  destinationName: 'bench',
  // Otherwise it would ask for a token for each request.
  useCache: true,
  serviceBindingTransformFn: (service, options) =>
    withClientCredentials(service, { ...options, url: service.credentials.entities }),
})

const destination = process.env.VCAP_SERVICES === undefined ? given() : bound()

const app = Fastify({ logger: false })
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
app.all('/*', async (request, reply) => {
  const { host: _host, connection: _connection, ...headers } = request.headers
  const answer = await executeHttpRequest(
    destination,
    {
      method: request.method,
      url: request.url,
      headers: { custom: headers, requestConfig: {} },
      data: request.body,
      responseType: 'stream',
      validateStatus: () => true,
      maxBodyLength: Infinity,
      maxRedirects: 0,
    },
    { fetchCsrfToken: false },
  )
  const { connection: _own, 'transfer-encoding': _coding, ...fields } = answer.headers
  return reply.code(answer.status).headers(fields).send(answer.data)
})
await app.listen({ host: '127.0.0.1', port })
