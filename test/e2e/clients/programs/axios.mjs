import axios from 'axios'
import { answerLines } from './lines.mjs'

await answerLines(async ({ method, url, headers, body }) => {
  const answer = await axios({
    method,
    url,
    headers,
    data: body,
    responseType: 'text',
    validateStatus: () => true,
  })
  return { status: answer.status, location: answer.headers.location, body: answer.data }
})
