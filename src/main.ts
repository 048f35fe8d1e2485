#!/usr/bin/env -S node --max-semi-space-size=16 --expose-gc
/** The process: arguments, environment, signals and exit codes. Nothing else touches `process`. */
import closeWithGrace from 'close-with-grace'
import { fork, spawn } from 'node:child_process'
import { watch } from 'node:fs'
import manifest from '../package.json' with { type: 'json' }
import { systemClock } from './clock.ts'
import { parseCommandLine } from './commands/command-line.ts'
import type { Accompanied } from './commands/exec.ts'
import { EXIT, type Process, type Running, systemFiles } from './commands/process.ts'

const thisProcess: Process = {
  environment: process.env,
  readFile: systemFiles.readFile,
  files: systemFiles,
  watch,
  stdout: process.stdout,
  stderr: process.stderr,
  version: manifest.version,
  nodeVersion: process.version,
  nodeFlags: process.execArgv,
}

const run = async (): Promise<Running | Accompanied | number> => {
  const line = parseCommandLine(process.argv.slice(2))
  switch (line.command) {
    case 'serve': {
      const { serve } = await import('./commands/serve.ts')
      return serve(thisProcess, line.flags)
    }
    case 'check': {
      const { check, endApart } = await import('./commands/check/check.ts')
      if (process.send !== undefined) return check(thisProcess, line.flags, line.json)
      return endApart(fork(process.argv[1] as string, process.argv.slice(2)), systemClock)
    }
    case 'wait': {
      const { wait } = await import('./commands/wait.ts')
      return wait(thisProcess, line.flags, line.timeout, systemClock)
    }
    case 'exec': {
      const { exec } = await import('./commands/exec.ts')
      const { stdin, stdout, stderr } = process
      const terminal = [stdin, stdout, stderr].some(({ isTTY }) => isTTY)
      return exec(thisProcess, line.flags, line.run, { spawn, clock: systemClock, terminal })
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

/** Stopping has a limit of its own, SKP_DRAIN_TIMEOUT, so that this one is off. */
const STOP = { delay: false, logger: false } as const

const accompany = async (outcome: Accompanied): Promise<never> => {
  const forwarded = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
  for (const signal of forwarded) process.on(signal, outcome.forward)
  closeWithGrace({ ...STOP, skip: ['beforeExit', ...forwarded] }, ({ err }) => outcome.stop(err))
  // Whatever else is open, such as a connection of a process that the command has left behind.
  process.exit(await outcome.ended)
}

const outcome = await run()
if (typeof outcome === 'number') {
  process.exitCode = outcome
  // To the process that waits for it, see endApart; after what was written before.
  process.stdout.write('', () => process.send?.(outcome))
} else {
  process.once('exit', outcome.flush)
  if ('ended' in outcome) await accompany(outcome)
  else {
    process.on('SIGHUP', outcome.reload)
    closeWithGrace({ ...STOP, skip: ['beforeExit', 'SIGHUP'] }, ({ err }) => outcome.stop(err))
  }
}
