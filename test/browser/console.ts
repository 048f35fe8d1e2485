/**
 * The console page in headless Chromium, in front of a proxy with traffic. Screenshots are left in
 * test-output/. Not among `npm test`: a browser takes seconds. `npm run test:browser`.
 */
import t, { type Test } from 'tap'
import { existsSync, mkdirSync } from 'node:fs'
import axe from 'axe-core'
import { chromium, type Browser, type Page } from 'playwright-core'
import { startScene } from './scene.ts'

const CHROMIUM = '/usr/bin/chromium'
const OUTPUT = new URL('../../test-output/', import.meta.url)
const CANARIES = /canary-|a\+client\/secret/

const required = process.env['BROWSER'] === 'required'
const skip = existsSync(CHROMIUM) || required ? false : `there is no ${CHROMIUM}`

const WIDE = { width: 1280, height: 900 }

mkdirSync(OUTPUT, { recursive: true })

/** One for each test: a browser that is open keeps the tests from ending. */
const openBrowser = async (t: Test): Promise<Browser> => {
  // Its sandbox needs rights that containers of CI do not give; it sees nothing but this machine.
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  t.teardown(() => browser.close())
  return browser
}

/** A page that notes whatever it should not do. */
const openPage = async (t: Test, url: string) => {
  const browser = await openBrowser(t)
  const page = await browser.newPage({ viewport: WIDE })
  const faults: string[] = []
  const bodies: Promise<string>[] = []
  page.on('console', (message) => faults.push(`console: ${message.text()}`))
  page.on('pageerror', ({ message }) => faults.push(`error: ${message}`))
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) faults.push(`request to ${request.url()}`)
  })
  page.on('response', (response) => {
    // A stream never ends, so its text would never be there; the wire test reads it.
    if (response.url().endsWith('/events')) return
    const text = response.text()
    // The page may be closed before it is there; whoever looks at the bodies learns of it all the same.
    text.catch(() => {})
    bodies.push(text)
  })
  await page.goto(url)
  await page.locator('#health').filter({ hasText: /eady/ }).waitFor()
  return { page, faults, bodies }
}

const shoot = async (page: Page, name: string): Promise<void> => {
  const path = new URL(`console-${name}.png`, OUTPUT).pathname
  await page.screenshot({ path, fullPage: true })
}

interface Violation {
  readonly id: string
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[]
}

/** axe-core as the debugger runs it, which no policy of the page stops. */
const violations = async (page: Page): Promise<readonly string[]> => {
  await page.evaluate(`${axe.source}; undefined`)
  const found = await page.evaluate<readonly Violation[]>(
    'axe.run().then(({ violations }) => violations)',
  )
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  )
}

const SECONDS_OF_TRAFFIC = Number(process.env['SECONDS_OF_TRAFFIC'] ?? 4)

const untilSamples = (page: Page, seconds: number) => page.waitForTimeout(seconds * 1000)

t.test('the page shows what happens, in light and dark, wide and narrow', { skip }, async (t) => {
  const scene = await startScene(t)
  const { page, faults, bodies } = await openPage(t, scene.url)
  await scene.ask('/Vendor', 'DELETE')
  await scene.ask('/Vendor?$filter=canary-query')
  await page.locator('#plot-rate canvas').waitFor()
  await page.locator('#problems').getByText('not_allowed').waitFor()
  await untilSamples(page, SECONDS_OF_TRAFFIC)
  t.match(await page.locator('#health').textContent(), 'Ready')
  t.not(await page.locator('#tile-rate').textContent(), '0')
  const key = await page.locator('.key').textContent()
  t.match(key, 'SERVICE_BINDING_ROOT /bindings')
  t.match(key, '/intas/entities/v1')
  t.match(key, /old, expires in 1\d h/)
  t.match(await page.locator('#answers').textContent(), /200the API/)
  t.ok(await page.locator('#rows .row').count())
  await shoot(page, 'light')
  t.same(await violations(page), [], 'axe, light')
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.locator('summary').first().click()
  await page.locator('summary').last().click()
  t.same(await violations(page), [], 'axe, dark, all unfolded')
  await page.locator('summary').first().click()
  await page.locator('summary').last().click()
  await shoot(page, 'dark')
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 360, height: 780 })
  await page.locator('summary').first().click()
  await page.locator('summary').last().click()
  const width = 'Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)'
  t.equal(await page.evaluate(width), 360, 'no scrolling sideways')
  t.same(await violations(page), [], 'axe, narrow')
  await page.locator('summary').first().click()
  await page.locator('summary').last().click()
  await shoot(page, 'narrow')
  t.notMatch(await page.content(), CANARIES, 'no secret in the page')
  t.notMatch((await Promise.all(bodies)).join('\n'), CANARIES, 'no secret in a file')
  t.same(faults, [], 'no fault in the console, none of the policy, no other host')
})

t.test('filter, pause and remedies work by keyboard', { skip }, async (t) => {
  const scene = await startScene(t)
  const { page, faults } = await openPage(t, scene.url)
  const rows = page.locator('#rows .row')
  await rows.filter({ hasText: 'Vendor' }).first().waitFor()
  await page.keyboard.press('Tab')
  t.equal(await page.evaluate('document.activeElement.className'), 'skip', 'the first stop')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  t.equal(await page.evaluate('document.activeElement.id'), 'filter')
  await page.keyboard.type('get vendor')
  const texts = await rows.allTextContents()
  t.ok(texts.length > 0 && texts.every((text) => text.includes('Vendor')), 'only what matches')
  await page.keyboard.press('Tab')
  t.equal(await page.evaluate('document.activeElement.id'), 'pause')
  await page.keyboard.press('Space')
  const frozen = await rows.allTextContents()
  await page
    .locator('#shown')
    .filter({ hasText: /Paused; [1-9]\d* more/ })
    .waitFor()
  t.same(await rows.allTextContents(), frozen, 'nothing moves')
  await page.keyboard.press('Space')
  await page.locator('#shown').filter({ hasNotText: 'Paused' }).waitFor()
  t.notSame(await rows.allTextContents(), frozen)
  await scene.ask('/Vendor', 'DELETE')
  await page.locator('#problems').getByRole('link', { name: 'not_allowed' }).focus()
  await page.keyboard.press('Enter')
  t.equal(await page.evaluate('document.activeElement.id'), 'error-not_allowed')
  t.match(await page.locator('#error-not_allowed').textContent(), 'names the rule')
  t.same(faults, [])
})

t.test(
  'an outage of the token server is seen at a glance, with its remedy',
  { skip },
  async (t) => {
    const scene = await startScene(t, { keys: 2, lifetime: 4 })
    const { page, faults } = await openPage(t, scene.url)
    t.equal(await page.locator('.key').count(), 2, 'a card for each key')
    await page.locator('#plot-rate canvas').waitFor()
    scene.state.tokens = false
    await page.locator('#health').filter({ hasText: 'Not ready' }).waitFor()
    await page.locator('#problems').getByText('token_unavailable').waitFor()
    await page.locator('#alarm').getByRole('link', { name: 'token_unavailable' }).waitFor()
    const alarm = await page.locator('#alarm').textContent()
    t.match(alarm, 'Requests are not answered')
    t.match(alarm, 'no usable token: the token server')
    t.match(alarm, 'token_unavailable')
    await untilSamples(page, 2)
    await shoot(page, 'token-outage')
    t.same(await violations(page), [])
    await scene.quiet()
    await scene.proxy.app.stop()
    await page.locator('#alarm').filter({ hasText: 'No connection to the proxy' }).waitFor()
    t.match(faults.join('\n'), /^$|ERR_CONNECTION_REFUSED|INCOMPLETE/)
  },
)
