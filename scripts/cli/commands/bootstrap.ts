/** `backstory bootstrap`: a consumer definition, run until it has caught up. */
import type { Certificate, Consumer, ConsumerStatus } from '../../../consumers/index.ts'
import { certificateLines } from '../certificate-list.ts'
import type { Cli } from '../cli.ts'
import {
  brokerOption,
  defineCommand,
  exportOption,
  historyOption,
  jsonOption,
  waitBrokerOption,
} from '../command.ts'
import { exitCodes, usageError } from '../errors.ts'
import { healthOptions, openHealth } from '../health-options.ts'
import { loadDefinition } from '../load-definition.ts'
import { openBroker } from '../open-broker.ts'
import { openReader } from '../open-history.ts'
import type { Reading } from '../progress.ts'
import { shutdownOption } from '../shutdown-option.ts'
import { storeAddress } from '../store-address.ts'

export const bootstrapCommand = defineCommand({
  name: 'bootstrap',
  summary: 'Run a consumer until it has applied the whole history and is live; then certify it and end',
  positionals: {
    module: {
      kind: 'one',
      describe: 'A .ts or .js file that exports a consumer, as defineConsumer makes it',
    },
  },
  options: {
    export: exportOption,
    store: {
      type: 'text',
      value: 'STORE',
      describe: "The consumer's own: a SQLite file, made where missing, or a postgres:// URL",
      defaultDescription: './<consumer>.db',
    },
    history: historyOption,
    broker: brokerOption,
    'wait-broker': waitBrokerOption,
    from: {
      type: 'text',
      value: 'beginning|latest',
      describe: 'Where a new consumer begins: latest takes the newest event of each subject alone',
      defaultDescription: 'beginning',
    },
    'accept-pruned': {
      type: 'flag',
      describe: 'Begin although events that it needs were pruned',
    },
    live: { type: 'flag', describe: 'Go on live, until it is interrupted' },
    'react-from': {
      type: 'text',
      value: 'POSITION|TIME',
      describe: 'Let events react from here on, of the past too',
      defaultDescription: 'from its first going live',
    },
    settle: {
      type: 'seconds',
      min: 0,
      max: 600,
      default: 1,
      describe: 'Pause after the queue is bound, for a cluster to learn of it',
    },
    ...healthOptions,
    'shutdown-timeout': shutdownOption,
    json: { ...jsonOption, describe: 'The certificate as JSON' },
  },
  examples: [
    ['bootstrap ./shipping.ts', 'Catch up, print the certificate, end'],
    ['bootstrap ./consumers.js --export shipping --store data/shipping.db', 'One of several consumers'],
    ['bootstrap ./stock.ts --from latest', 'Begin with the newest event of each subject'],
    ['bootstrap ./shipping.ts --live --health 9465', 'Catch up, then go on live; health on that port'],
  ],
  async run({ module, store, history, broker, live, settle, json, ...rest }, cli) {
    const { 'react-from': reactSince, from = 'beginning' } = rest
    if (!isBeginning(from)) throw usageError(`--from is beginning or latest, not ${from}`)
    const reactFrom = reactSince === undefined ? undefined : reactFromOf(reactSince)
    const definition = await loadDefinition(cli.path(module), rest.export ?? 'default')
    const { name } = definition
    if (definition.partitions !== undefined && typeof reactFrom === 'number')
      throw usageError('--react-from must be a time: each partition has positions of its own')
    const signal = cli.stopSignal({ timeoutMs: rest['shutdown-timeout'] * 1_000 })
    await using health = await openHealth(cli, rest)
    const connection = await openBroker(cli, {
      broker,
      waitBroker: rest['wait-broker'],
      name: `backstory consumer ${name}`,
    })
    try {
      await using reader = await openReader(cli, { history, exchange: definition.exchange })
      const { startConsumer } = await import('../../../consumers/index.ts')
      await using consumer = await startConsumer(definition, {
        broker: connection,
        // Each partition has a history of its own, found by the address.
        history: definition.partitions === undefined ? reader : (await cli.history(history)).value,
        store: await storeAddress(cli, store ?? `${name}.db`),
        settleMs: Math.round(settle * 1_000),
        acceptPruned: rest['accept-pruned'],
        from,
        ...(reactFrom !== undefined && { reactFrom }),
        logger: cli.logger,
      })
      health.watch({ consumers: consumer.partitions ?? [consumer] })
      await caughtUp(consumer, cli, { signal, live })
      if (live) await stopped(consumer, cli, signal)
      const certificate = await certificateOf(consumer, { live })
      await consumer.close()
      await consumer.stopped
      if (certificate === undefined) cli.say('No certificate: the history cannot be read now')
      else if (json) await cli.output.json(certificate)
      else await cli.output.lines(certificateLines(certificate))
      const queues = consumer.partitions?.map(({ status }) => `${status.exchange}.${status.consumer}`)
      cli.say(
        queues === undefined
          ? `Queue ${definition.exchange}.${name} stays bound and keeps what is published until the consumer runs again`
          : `Queues ${queues.join(', ')} stay bound and keep what is published until the consumer runs again`,
      )
      return certificate?.complete === false ? exitCodes.checkFailed : exitCodes.ok
    } finally {
      await connection.close()
    }
  },
})

function isBeginning(typed: string): typed is 'beginning' | 'latest' {
  return typed === 'beginning' || typed === 'latest'
}

/** @throws CliError `CLI_USAGE`. */
function reactFromOf(typed: string): number | Date {
  if (/^[1-9]\d{0,14}$/.test(typed)) return Number(typed)
  const date = new Date(typed)
  if (/^\d{4}-\d\d-\d\d/.test(typed) && !Number.isNaN(date.getTime())) return date
  throw usageError(`--react-from is a position or a time such as 2026-11-21T18:00:00Z, not ${typed}`, {
    hint: 'backstory bootstrap --help',
  })
}

/** @throws What ended the consumer; the signal's reason, unless it was to go on until a signal comes. */
async function caughtUp(
  consumer: Consumer,
  cli: Cli,
  { signal, live }: { signal: AbortSignal; live: boolean },
): Promise<void> {
  const startedAt = Date.now()
  const end = cli.progress({ unit: 'positions', read: () => readingOf(consumer.status) })
  try {
    await Promise.race([consumer.caughtUp(), aborted(signal)])
    if (signal.aborted && live) return
    signal.throwIfAborted()
  } finally {
    end()
  }
  const { consumer: name, applied, cursor } = consumer.status
  const seconds = ((Date.now() - startedAt) / 1_000).toFixed(1)
  cli.say(`Consumer ${name} has caught up in ${seconds} s: ${applied} events applied, cursor at ${cursor}`)
}

/** Undefined where one that was told to end, in good order, has no history to compare with. */
async function certificateOf(
  consumer: Consumer,
  { live }: { live: boolean },
): Promise<Certificate | undefined> {
  const { isTransient } = await import('../../../history/index.ts')
  try {
    return await consumer.certificate()
  } catch (error) {
    if (live && isTransient(error)) return undefined
    throw error
  }
}

/** @throws What ended the consumer. */
async function stopped(consumer: Consumer, cli: Cli, signal: AbortSignal): Promise<void> {
  const end = cli.progress({ unit: 'positions', read: () => readingOf(consumer.status) })
  try {
    await Promise.race([consumer.stopped, aborted(signal)])
  } finally {
    end()
  }
}

function readingOf({ cursor, head, phase, waitingFor }: ConsumerStatus): Reading {
  return { done: cursor, total: head, note: waitingFor === undefined ? phase : `waits for the ${waitingFor}` }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
