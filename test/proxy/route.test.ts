import t from 'tap'
import { basePathOf, routeFor, targetBelow, type Route } from '../../src/proxy/route.ts'

const route = (prefix: string, base: string): Route => {
  const baseUrl = new URL(base)
  // Neither is looked at here.
  const { upstream, tokens } = {} as Route
  return { prefix, baseUrl, basePath: basePathOf(baseUrl), upstream, tokens }
}

const entities = route('', 'https://api.example/intas/entities/v1/')
const management = route('/management', 'https://api.example/intas/management/v1')
const dev = route('/dev', 'https://api.example/intas/entities/v1')
const prod = route('/prod', 'https://api.example/intas/entities/v1')
const bare = route('/bare', 'https://bare.example')

t.test('a request goes to the route whose prefix it has, up to a whole segment', async (t) => {
  const routes = [entities, management]
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
    const found = routeFor(routes, target)
    t.equal(found, expected, target)
    t.equal(targetBelow(found, target), below, target)
  }
})

t.test('a path-absolute link that two routes could mean reaches neither', async (t) => {
  t.equal(routeFor([dev, prod], '/intas/entities/v1/Vendor'), undefined)
  t.equal(routeFor([dev, prod], '/prod/intas/entities/v1/Vendor'), prod)
  t.equal(routeFor([dev, management], '/intas/entities/v1/Vendor'), dev)
})

t.test('without a root, what has no known prefix is served nowhere', async (t) => {
  t.equal(routeFor([dev, bare], '/Vendor'), undefined)
  t.equal(routeFor([bare], '/Vendor'), undefined)
  t.equal(routeFor([bare], '/bare/Vendor'), bare)
  t.equal(targetBelow(undefined, '/Vendor'), '/Vendor')
})
