/** A run of curl for each request, as a script would do it. */
import { spawnSync } from 'node:child_process'
import { answerLines } from './lines.mjs'

await answerLines(async ({ method, url, headers, body }) => {
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const data = body === undefined ? [] : ['--data-binary', '@-']
  const format = '\n%{http_code} %header{location}'
  const { stdout, stderr, status } = spawnSync(
    'curl',
    ['-sSg', '--compressed', '-X', method, ...fields, ...data, '-w', format, url],
    { input: body ?? '', encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(stderr)
  const end = stdout.lastIndexOf('\n')
  const [code, location] = stdout.slice(end + 1).split(' ')
  return { status: code, location: location || undefined, body: stdout.slice(0, end) }
})
