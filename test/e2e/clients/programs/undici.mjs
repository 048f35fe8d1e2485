import { request } from 'undici'
import { answerLines } from './lines.mjs'

await answerLines(async ({ method, url, headers, body }) => {
  const answer = await request(url, { method, headers, body })
  return {
    status: answer.statusCode,
    location: answer.headers.location,
    body: await answer.body.text(),
  }
})
