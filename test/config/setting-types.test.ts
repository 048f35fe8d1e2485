import t from 'tap'
import {
  allowRules,
  choice,
  delay,
  hosts,
  integer,
  rate,
  routeList,
  quotedInput,
  secret,
  type SettingType,
  size,
  text,
  timeLimit,
} from '../../src/config/setting-types.ts'

const VALUES: readonly [SettingType<unknown>, Record<string, unknown>][] = [
  [
    delay,
    {
      '0s': 0,
      '500ms': 500,
      '5s': 5_000,
      '2m': 120_000,
      '1h': 3_600_000,
      '2147483s': 2_147_483_000,
    },
  ],
  [size(1, 2 ** 40), { '1B': 1, '64KB': 65_536, '10MB': 10_485_760, '2GB': 2_147_483_648 }],
  [rate, { '0': 0, '100B': 100, '1KB': 1_024 }],
  [timeLimit, { '1ms': 1, '5s': 5_000 }],
  [integer(1, 65_535), { '1': 1, '8080': 8080, '0080': 80, '65535': 65_535 }],
  [choice('on', 'off'), { on: 'on', off: 'off' }],
  [text, { a: 'a', ' a b ': ' a b ' }],
  [secret, { '0123456789abcde~': '0123456789abcde~' }],
  [
    hosts,
    {
      '*': ['*'],
      localhost: ['localhost'],
      'A.example:80, [::1],b_1-c:65535': ['a.example:80', '[::1]', 'b_1-c:65535'],
    },
  ],
  [
    allowRules,
    {
      'GET /': [{ methods: ['GET'], segments: [], open: false }],
      'GET /**': [{ methods: ['GET'], segments: [], open: true }],
      'GET|HEAD  /Vendor*, POST /a/*/**': [
        { methods: ['GET', 'HEAD'], segments: ['Vendor*'], open: false },
        { methods: ['POST'], segments: ['a', '*'], open: true },
      ],
    },
  ],
]

for (const [type, values] of VALUES) {
  t.test(`${type.name} is read`, async (t) => {
    for (const [written, value] of Object.entries(values)) {
      t.strictSame(type.parse(written), value, JSON.stringify(written))
    }
  })
}

const FAULTY: readonly [SettingType<unknown>, readonly string[]][] = [
  [
    delay,
    ['', '5', 's', '-5s', '+5s', '1.5s', '5 s', '5S', '5sec', '1m30s', ' 5s', '5s\n', '1e3s', '1d'],
  ],
  [size(2048, 4096), ['', '64', '3kb', '3 KB', '-3KB', '1.5MB', '1TB', 'KB', '1KB', '5KB']],
  [timeLimit, ['0s', '0ms', '5', 's']],
  [
    integer(1, 65_535),
    ['', '0', '65536', '-1', '1.0', '0x50', '1e3', ' 80', '80a', '9'.repeat(16)],
  ],
  [choice('on', 'off'), ['', 'ON', 'true', 'on ', 'of']],
  [text, ['', ' ', '\t\n']],
  [secret, ['', '0123456789abcde', '0123456789 abcdef', '0123456789abcdeä', '0123456789abcdef\n']],
  [hosts, ['', ',', 'a,', 'a b', 'http://a', 'a:', 'a:b', '*,a', '*.a', 'a..b', '::1', 'a/b']],
  [
    allowRules,
    [
      '',
      'GET',
      '/Vendor',
      'get /Vendor',
      'GTE /Vendor',
      'GET| /Vendor',
      'GET Vendor',
      'GET /Vendor,',
      'GET /Vendor POST /x',
      'GET /Vendor/',
      'GET //Vendor',
      'GET /a/**/b',
      'GET /a**',
      'GET /***',
      'GET /Vendor?x',
      'GET /%56endor',
      'GET /a;b',
      'GET /a#b',
      'GET /a\\b',
    ],
  ],
]

for (const [type, written] of FAULTY) {
  t.test(`anything but ${type.expects} is refused`, async (t) => {
    for (const value of written) t.equal(type.parse(value), undefined, JSON.stringify(value))
  })
}

t.test('a duration that no timer can keep is refused', async (t) => {
  t.equal(delay.parse('2147484s'), undefined)
  t.equal(delay.parse('600h'), undefined)
  t.equal(delay.parse('596h'), 2_145_600_000)
})

t.test('every type says what it expects', async (t) => {
  t.equal(integer(1, 9).expects, 'a whole number from 1 to 9')
  t.equal(choice('on', 'off').expects, 'one of on, off')
  t.equal(choice('on', 'off').name, 'on | off')
})

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
    t.same(routeList.parse(text), expected, text)
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
    t.equal(routeList.parse(text), undefined, JSON.stringify(text))
  }
})

t.test('settings are repeated, so that the user finds them', async (t) => {
  for (const value of ['5', '', 'sevre', 'GET|HEAD /Vendor*', 'x'.repeat(60)]) {
    t.equal(quotedInput(value), JSON.stringify(value))
  }
})

t.test('what may be a pasted key is not', async (t) => {
  const pasted = ['{"clientsecret":"canary"}', 'a\ncanary', '"canary"', `canary${'x'.repeat(60)}`]
  for (const value of pasted) t.notMatch(quotedInput(value), /canary/)
})

t.test('a rate is shown as it is written', async (t) => {
  for (const written of ['0', '100B', '1KB']) {
    t.equal(rate.show?.(rate.parse(written) as number), written)
  }
})
