/** SKP_ALLOW as it is written → rules. Pure; policy/allow-list.ts applies them. */
import type { AllowRule } from '../policy/allow-list.ts'
import type { SettingType } from './setting-types.ts'

/** Those of OData, so that a misspelt one is noticed. */
const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'POST',
  'PUT',
  'PATCH',
  'MERGE',
  'DELETE',
])

/** Paths are compared decoded and without query: patterns have no escapes, and no `?`. */
const RULE = /^([A-Z|]+) +\/([^\s%?#;\\]*)$/

const ruleOf = (text: string): AllowRule | undefined => {
  const [, list = '', path = ''] = RULE.exec(text) ?? []
  const methods = list.split('|')
  const open = /(?:^|\/)\*\*$/.test(path)
  const rest = open ? path.replace(/\/?\*\*$/, '') : path
  const segments = rest === '' ? [] : rest.split('/')
  const areClean = segments.every((segment) => segment !== '' && !segment.includes('**'))
  return areClean && methods.every((method) => METHODS.has(method))
    ? { methods, segments, open }
    : undefined
}

export const allowRules: SettingType<readonly AllowRule[]> = {
  name: 'rules',
  expects: 'a comma list of METHODS /path-pattern, such as GET|HEAD /Vendor*,POST /Request/**',
  parse(text) {
    const rules = text.split(',').map((rule) => ruleOf(rule.trim()))
    return rules.every((rule) => rule !== undefined) ? rules : undefined
  },
}
