/** `backstory adopt`: what a queue or a stream has kept, into a history. */
import type { AdoptionStatus } from '../../../history/index.ts'
import { bindingOptions, bindingsOf } from '../binding-options.ts'
import type { Cli } from '../cli.ts'
import { brokerOption, defineCommand, historyOption, jsonOption, waitBrokerOption } from '../command.ts'
import { exitCodes, usageError } from '../errors.ts'
import { openBroker } from '../open-broker.ts'
import { count } from '../progress.ts'
import { shutdownOption } from '../shutdown-option.ts'

const hint = 'backstory adopt --help'

export const adoptCommand = defineCommand({
  name: 'adopt',
  summary: 'Take the messages that a queue or a stream has kept into a history, before its recorder runs',
  positionals: {},
  options: {
    exchange: { type: 'text', value: 'NAME', describe: 'The exchange whose history it is; must be given' },
    'from-queue': { type: 'text', value: 'NAME', describe: 'A queue that keeps messages: it is emptied' },
    'from-stream': { type: 'text', value: 'NAME', describe: 'A stream, read from its first offset' },
    follow: { type: 'flag', describe: 'Go on with what comes until interrupted; binds no history queue' },
    broker: brokerOption,
    'wait-broker': waitBrokerOption,
    history: historyOption,
    ...bindingOptions,
    prefetch: {
      type: 'integer',
      min: 1,
      max: 65_535,
      default: 2_000,
      describe: 'Deliveries that are not acknowledged, at most',
    },
    batch: { type: 'integer', min: 1, max: 65_535, default: 500, describe: 'Events a transaction, at most' },
    'shutdown-timeout': shutdownOption,
    json: { ...jsonOption, describe: 'What was done as JSON, one object' },
  },
  examples: [
    ['adopt --exchange orders --from-queue orders.backup', 'Then `record orders`, and delete orders.backup'],
    ['adopt --exchange orders --from-stream orders.stream', 'The stream is left as it is'],
    ['adopt --exchange orders --from-queue orders.backup --follow', 'In place of a recorder, for now'],
  ],
  async run({ exchange, follow, broker, history, prefetch, batch, json, ...rest }, cli) {
    const { 'from-queue': queue, 'from-stream': stream } = rest
    if (exchange === undefined) throw usageError('--exchange must name the exchange of the history', { hint })
    const from = queue !== undefined && stream === undefined ? { queue } : stream !== undefined && { stream }
    if (from === false || (queue !== undefined && stream !== undefined))
      throw usageError('Name what to adopt: either --from-queue or --from-stream', { hint })
    const bindings = bindingsOf(rest)
    const { value: address } = await cli.writtenHistory(history)
    const signal = cli.stopSignal({ timeoutMs: rest['shutdown-timeout'] * 1_000 })
    // Its connections are its own: it sends fences on one of them.
    const { value: url } = await cli.broker(broker)
    const name = `backstory adoption of ${queue ?? stream}`
    await (await openBroker(cli, { broker, waitBroker: rest['wait-broker'], name })).close()
    const { startAdoption } = await import('../../../history/index.ts')
    await using adoption = startAdoption({
      broker: url,
      exchange,
      bindings,
      history: address,
      from,
      follow,
      prefetch,
      batchMax: batch,
      logger: cli.logger,
    })
    const endProgress = cli.progress({ unit: 'messages', read: () => readingOf(adoption.status, { follow }) })
    const stop = () => void adoption.close()
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    try {
      await adoption.ended
    } finally {
      signal.removeEventListener('abort', stop)
      endProgress()
    }
    const { status } = adoption
    const { state, lastError: _lastError, ...done } = status
    if (json) await cli.output.json({ isDone: state === 'done', ...done })
    tell(cli, status, from)
    if (state !== 'done' && !follow) signal.throwIfAborted()
    return exitCodes.ok
  },
})

function readingOf({ state, taken, left }: AdoptionStatus, { follow }: { follow: boolean }) {
  return {
    done: taken,
    total: follow ? undefined : taken + left,
    note: state === 'adopting' ? undefined : state,
  }
}

function tell(cli: Cli, status: AdoptionStatus, from: { queue: string } | { stream: string }): void {
  const { exchange, state, head, taken, recorded, duplicates, otherExchange, left, truncated } = status
  const name = 'queue' in from ? from.queue : from.stream
  const known = duplicates === 0 ? '' : `, ${count(duplicates)} were there already`
  cli.say(
    `Adopted ${count(taken)} messages of ${name}: ${count(recorded)} recorded${known}; the history of ${exchange} ends at position ${count(head)}`,
  )
  if (otherExchange > 0)
    cli.say(`${count(otherExchange)} of them had been published to another exchange, and are kept as such`)
  if (truncated > 0)
    cli.say(`The stream had dropped up to ${count(truncated)} older messages: they are in no history`)
  if (state !== 'done') {
    cli.say(`About ${count(left)} are left: the same command goes on from here`)
    return
  }
  if ('queue' in from) cli.say('What expired in the queue, or passed its length limit, left no trace there')
  cli.say(
    `What comes to ${name} from now on, ${exchange}.history has too: start \`backstory record ${exchange}\`, and take ${name} away once you trust it`,
  )
}
