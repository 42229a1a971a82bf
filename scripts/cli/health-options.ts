/** The options of a command that serves the health of what it runs, and what they ask for. */
import type { Health } from '../../health/index.ts'
import type { Cli } from './cli.ts'
import { usageError } from './errors.ts'

export const healthOptions = {
  health: {
    type: 'integer',
    min: 0,
    max: 65_535,
    describe: 'Serve /livez, /readyz and /metrics on this port; 0 takes a free one',
  },
  'health-host': {
    type: 'text',
    value: 'HOST',
    describe: 'The address at which --health listens',
    defaultDescription: '127.0.0.1',
  },
} as const

/**
 * Serves health where it was asked for; begin with it, so that a command that waits for its broker is alive.
 *
 * @returns What is told of the parts when they are there, and is disposed of at the end.
 * @throws CliError `CLI_USAGE`; HealthError.
 */
export async function openHealth(
  cli: Cli,
  { health: port, 'health-host': host }: { health: number | undefined; 'health-host': string | undefined },
): Promise<Pick<Health, 'watch' | typeof Symbol.asyncDispose>> {
  if (port === undefined) {
    if (host !== undefined) throw usageError('--health-host belongs to --health, which names the port')
    return { watch() {}, async [Symbol.asyncDispose]() {} }
  }
  const { serveHealth } = await import('../../health/index.ts')
  const health = await serveHealth({ port, ...(host !== undefined && { host }) })
  cli.say(`Health at ${health.url}/readyz`)
  return health
}
