import { answerLines } from './lines.mjs'

await answerLines(async ({ url, ...options }) => {
  const answer = await fetch(url, options)
  return {
    status: answer.status,
    location: answer.headers.get('location'),
    body: await answer.text(),
  }
})
