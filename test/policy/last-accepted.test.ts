import t from 'tap'
import { rememberingLast } from '../../src/policy/last-accepted.ts'

const open = () => {
  const asked: string[] = []
  const accepts = rememberingLast((text) => {
    asked.push(text)
    return text !== 'evil.example'
  })
  return { asked, accepts }
}

t.test('what was accepted last is not looked at again', async (t) => {
  const { asked, accepts } = open()
  t.same(['a', 'a', 'b', 'b', 'a'].map(accepts), [true, true, true, true, true])
  t.same(asked, ['a', 'b', 'a'])
})

t.test('what is refused is refused each time, twice in a row, too', async (t) => {
  const { accepts } = open()
  const hosts = ['evil.example', 'evil.example', 'a', 'evil.example', 'evil.example', 'a']
  t.same(hosts.map(accepts), [false, false, true, false, false, true])
})
