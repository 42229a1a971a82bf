/** `backstory relay`: publishes what an application commits to its outbox. */
import type { Relay, RelayStatus } from '../../../publisher/index.ts'
import type { Cli } from '../cli.ts'
import { brokerOption, defineCommand, jsonOption, waitBrokerOption } from '../command.ts'
import { exitCodes, usageError } from '../errors.ts'
import { healthOptions, openHealth } from '../health-options.ts'
import { openBroker } from '../open-broker.ts'
import { openOutboxOf } from '../open-outbox.ts'
import { partitionsOption } from '../partition-options.ts'
import { count } from '../progress.ts'
import { shutdownOption } from '../shutdown-option.ts'

export const relayCommand = defineCommand({
  name: 'relay',
  summary: 'Publish what an application commits to its outbox, until it is interrupted',
  positionals: {
    database: { kind: 'one', describe: "The application's database: a SQLite file, or a postgres:// URL" },
  },
  options: {
    exchange: { type: 'text', value: 'NAME', describe: 'The exchange of the outbox; must be given' },
    broker: brokerOption,
    'wait-broker': waitBrokerOption,
    partitions: partitionsOption,
    'in-flight': {
      type: 'integer',
      min: 1,
      max: 65_535,
      default: 1_000,
      describe: 'Publishes that are not confirmed, at most',
    },
    every: {
      type: 'seconds',
      min: 0.1,
      max: 86_400,
      default: 10,
      describe: 'Seconds between two status lines',
    },
    ...healthOptions,
    'shutdown-timeout': shutdownOption,
    json: { ...jsonOption, describe: 'Status lines on standard output, as JSON' },
  },
  examples: [
    ['relay sales.db --exchange orders', 'The outbox in sales.db; another relay of it stands by'],
    ['relay postgres://sales@db/sales --exchange orders --health 9465', 'With /livez, /readyz and /metrics'],
  ],
  async run({ database, exchange, broker, every, json, ...rest }, cli) {
    if (exchange === undefined)
      throw usageError('Name the exchange of the outbox with --exchange', { hint: 'backstory relay --help' })
    const signal = cli.stopSignal({ timeoutMs: rest['shutdown-timeout'] * 1_000 })
    await using health = await openHealth(cli, rest)
    const outbox = await openOutboxOf(database, { exchange })
    try {
      const connection = await openBroker(cli, {
        broker,
        waitBroker: rest['wait-broker'],
        name: `backstory relay of ${exchange}`,
      })
      try {
        const { startRelay } = await import('../../../publisher/index.ts')
        const { partitions, 'in-flight': inFlightMax } = rest
        const options = { broker: connection, outbox, partitions, inFlightMax, logger: cli.logger }
        await using relay = startRelay(options)
        health.watch({ relay })
        await tellUntilStopped(relay, { cli, signal, everyMs: every * 1_000, json })
        await relay.close()
        await relay.stopped
        await tell(relay.status, { cli, json })
      } finally {
        await connection.close()
      }
    } finally {
      await outbox.close()
    }
    return exitCodes.ok
  },
})

/** Tells the status at every interval. Rejects with what ended the relay. */
async function tellUntilStopped(
  relay: Relay,
  { cli, signal, everyMs, json }: { cli: Cli; signal: AbortSignal; everyMs: number; json: boolean },
): Promise<void> {
  let failed!: (error: unknown) => void
  let stopped!: () => void
  const ended = new Promise<void>((resolve, reject) => {
    stopped = resolve
    failed = reject
  })
  relay.stopped.then(stopped, failed)
  signal.addEventListener('abort', stopped)
  if (signal.aborted) stopped()
  const timer = setInterval(() => void tell(relay.status, { cli, json }).catch(failed), everyMs)
  try {
    await ended
  } finally {
    clearInterval(timer)
    signal.removeEventListener('abort', stopped)
  }
}

async function tell(status: RelayStatus, { cli, json }: { cli: Cli; json: boolean }): Promise<void> {
  if (json) {
    await cli.output.json({ time: new Date().toISOString(), ...status })
    return cli.output.requireReader()
  }
  const { exchange, state, relayed, pending, lastError } = status
  const parts = [`${exchange}: ${state}`, `${count(relayed)} relayed`, `${count(pending)} in the outbox`]
  if (state === 'holding' && lastError !== undefined) parts.push(lastError)
  cli.say(parts.join(', '))
}
