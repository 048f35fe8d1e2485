import { once } from 'node:events'
import http from 'node:http'
import { text } from 'node:stream/consumers'
import { answerLines } from './lines.mjs'

await answerLines(async ({ method, url, headers, body }) => {
  const request = http.request(url, { method, headers }).end(body)
  const [answer] = await once(request, 'response')
  return {
    status: answer.statusCode,
    location: answer.headers.location,
    body: await text(answer),
  }
})
