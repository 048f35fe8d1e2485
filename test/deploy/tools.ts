/**
 * Programs that are not dependencies of the project: helm, promtool, kubectl-validate. A machine may
 * lack them; `.ci/deployments` installs them and sets DEPLOY_TOOLS=required.
 */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'

export type Tool = 'helm' | 'promtool' | 'kubectl-validate'

export const run = (tool: Tool, args: readonly string[]): SpawnSyncReturns<string> =>
  spawnSync(tool, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })

const required = process.env['DEPLOY_TOOLS'] === 'required'

/** Why a test has to be skipped; `false`: it has not. */
export const missing = (tool: Tool): string | false => {
  const absent = run(tool, ['--help']).error !== undefined
  return absent && !required && `${tool} is not installed; .ci/deployments installs it`
}

const KUBERNETES = '1.30.0'

/**
 * What a chart renders with the given values.
 *
 * @param values a file, or nothing for the defaults
 * @throws with the words of helm
 */
export const template = (chart: string, values?: string): string => {
  const file = values === undefined ? [] : ['--values', values]
  const fixed = ['--namespace', 'demo', '--kube-version', KUBERNETES]
  const { status, stdout, stderr } = run('helm', ['template', 'intas', chart, ...fixed, ...file])
  if (status !== 0) throw new Error(stderr)
  return stdout
}
