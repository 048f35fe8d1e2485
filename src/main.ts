#!/usr/bin/env -S node --max-semi-space-size=2
/** Process edge: arguments, environment, signals and exit codes. Nothing else touches `process`. */
import closeWithGrace from 'close-with-grace'
import { readFileSync, watch } from 'node:fs'
import manifest from '../package.json' with { type: 'json' }
import { parseCommandLine } from './commands/command-line.ts'
import { EXIT, type Edge, type Running } from './commands/edge.ts'
import { systemFiles } from './system-files.ts'

const readFile = (path: string): string => readFileSync(path, 'utf8')

const edge: Edge = {
  environment: process.env,
  readFile,
  files: systemFiles,
  watch,
  stdout: process.stdout,
  stderr: process.stderr,
  version: manifest.version,
  quit: () => process.kill(process.pid, 'SIGTERM'),
}

const run = async (): Promise<Running | number> => {
  const line = parseCommandLine(process.argv.slice(2))
  switch (line.command) {
    case 'serve': {
      const { serve } = await import('./commands/serve.ts')
      return serve(edge, line.flags)
    }
    case 'check': {
      const { check } = await import('./commands/check.ts')
      return check(edge, line.flags, line.json)
    }
    case 'help': {
      const { helpText } = await import('./commands/help.ts')
      process.stdout.write(helpText())
      return EXIT.stopped
    }
    case 'version':
      process.stdout.write(`${manifest.version}\n`)
      return EXIT.stopped
    case 'invalid':
      process.stderr.write(`service-key-proxy: ${line.problem}; --help lists what there is\n`)
      return EXIT.configuration
  }
}

const outcome = await run()
if (typeof outcome === 'number') {
  process.exitCode = outcome
} else {
  process.on('SIGHUP', outcome.reload)
  process.once('exit', outcome.flush)
  // Its own deadline is off: stopping has a limit of its own, SKP_DRAIN_TIMEOUT.
  closeWithGrace({ delay: false, logger: false, skip: ['beforeExit', 'SIGHUP'] }, ({ err }) =>
    outcome.stop(err),
  )
}
