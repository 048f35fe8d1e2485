import t from 'tap'
import { mountList } from '../../src/config/mount-list.ts'

t.test('names base URLs by prefix, and bindings where there are several', async (t) => {
  for (const [text, expected] of [
    ['/=entities', [{ prefix: '', binding: undefined, target: 'entities' }]],
    [
      '/=entities, /management=management',
      [
        { prefix: '', binding: undefined, target: 'entities' },
        { prefix: '/management', binding: undefined, target: 'management' },
      ],
    ],
    [
      '/dev=intas-dev:entities,/a/b.c=intas prod:endpoints.api',
      [
        { prefix: '/dev', binding: 'intas-dev', target: 'entities' },
        { prefix: '/a/b.c', binding: 'intas prod', target: 'endpoints.api' },
      ],
    ],
  ] as const) {
    t.same(mountList.parse(text), expected, text)
  }
})

t.test('refuses what could not be told apart, or be reached', async (t) => {
  for (const text of [
    '',
    'entities',
    '=entities',
    '/',
    '/=',
    'x=entities',
    '/x/=entities',
    '//=entities',
    '/..=entities',
    '/a/../b=entities',
    '/.x=entities',
    '/%61=entities',
    '/a?b=entities',
    '/-=entities',
    '/-/x=entities',
    '/=a:b:c',
    '/=a=b',
    '/=:entities',
    '/=entities,/=management',
    '/=entities,',
  ]) {
    t.equal(mountList.parse(text), undefined, JSON.stringify(text))
  }
})
