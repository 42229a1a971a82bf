/** What the plugins of a plan may use where a program runs it: this process, and its environment. */
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Logger, silentLogger } from '../../events/index.ts'
import type { PlanContext } from './open-plan.ts'

export interface ProgramContextOptions {
  /** The run's name: replayed messages are told by it. */
  readonly run: string
  /** The folder that relative paths, and packages of plugins, are looked for in. Default: the working folder. */
  readonly cwd?: string
  /** Default: silent. */
  readonly logger?: Logger
}

/**
 * For `openPlan`. Settings come from the environment: of `BACKSTORY_BROKER`, URLs with commas between them, the
 * default is `amqp://127.0.0.1:5672`; of `BACKSTORY_HISTORY` it is `backstory-history.db` in the folder.
 */
export function programContext({
  run,
  cwd = process.cwd(),
  logger = silentLogger,
}: ProgramContextOptions): PlanContext {
  const { env } = process
  return {
    context: {
      runId: run,
      cwd,
      logger,
      setting: (name) => env[name],
      brokers: async () => (env.BACKSTORY_BROKER ?? 'amqp://127.0.0.1:5672').split(','),
      history: async () => env.BACKSTORY_HISTORY ?? resolve(cwd, 'backstory-history.db'),
      stdin: process.stdin,
      output: { write: writeToStdout },
    },
    load: async (address) => {
      const file = address.startsWith('package:')
        ? createRequire(join(cwd, 'x.js')).resolve(address.slice('package:'.length))
        : resolve(cwd, address)
      return (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>
    },
  }
}

function writeToStdout(text: string): Promise<void> {
  return new Promise((written, failed) => {
    process.stdout.write(text, (error) => (error ? failed(error) : written()))
  })
}
