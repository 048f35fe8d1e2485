import t from 'tap'
import { basePathOf, mountFor, targetBelow, type Mount } from '../../src/proxy/mount.ts'

const mount = (prefix: string, base: string): Mount => {
  const baseUrl = new URL(base)
  // Neither is looked at here.
  const { upstream, tokens } = {} as Mount
  return { prefix, baseUrl, basePath: basePathOf(baseUrl), upstream, tokens }
}

const entities = mount('', 'https://api.example/intas/entities/v1/')
const management = mount('/management', 'https://api.example/intas/management/v1')
const dev = mount('/dev', 'https://api.example/intas/entities/v1')
const prod = mount('/prod', 'https://api.example/intas/entities/v1')
const bare = mount('/bare', 'https://bare.example')

t.test('a request goes to the mount whose prefix it has, up to a whole segment', async (t) => {
  const mounts = [entities, management]
  for (const [target, expected, below] of [
    ['/Vendor', entities, '/Vendor'],
    ['/management', management, '/'],
    ['/management?a=/b', management, '/?a=/b'],
    ['/management/ImportContent', management, '/ImportContent'],
    ['/managements', entities, '/managements'],
    ['/Management/x', entities, '/Management/x'],
    ['/%6Danagement/x', entities, '/%6Danagement/x'],
    ['/intas/entities/v1/Vendor', entities, '/intas/entities/v1/Vendor'],
    ['/intas/management/v1/x', management, '/intas/management/v1/x'],
    ['/intas/management/v10/x', entities, '/intas/management/v10/x'],
    ['/management/intas/management/v1/x', management, '/intas/management/v1/x'],
  ] as const) {
    const found = mountFor(mounts, target)
    t.equal(found, expected, target)
    t.equal(targetBelow(found, target), below, target)
  }
})

t.test('a path-absolute link that two mounts could mean reaches neither', async (t) => {
  t.equal(mountFor([dev, prod], '/intas/entities/v1/Vendor'), undefined)
  t.equal(mountFor([dev, prod], '/prod/intas/entities/v1/Vendor'), prod)
  t.equal(mountFor([dev, management], '/intas/entities/v1/Vendor'), dev)
})

t.test('without a root, what has no known prefix is served nowhere', async (t) => {
  t.equal(mountFor([dev, bare], '/Vendor'), undefined)
  t.equal(mountFor([bare], '/Vendor'), undefined)
  t.equal(mountFor([bare], '/bare/Vendor'), bare)
  t.equal(targetBelow(undefined, '/Vendor'), '/Vendor')
})
