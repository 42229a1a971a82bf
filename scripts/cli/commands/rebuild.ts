/** `backstory rebuild`: a consumer's tables, made anew from the history beside those in use. */
import type { Rebuilt } from '../../../consumers/index.ts'
import type { Cli } from '../cli.ts'
import { defineCommand, exportOption, historyOption, jsonOption } from '../command.ts'
import { exitCodes } from '../errors.ts'
import { loadDefinition } from '../load-definition.ts'
import { openReader } from '../open-history.ts'
import { count, type Reading } from '../progress.ts'
import { storeAddress } from '../store-address.ts'
import { listOf } from '../table.ts'

export const rebuildCommand = defineCommand({
  name: 'rebuild',
  summary: "Make a consumer's tables anew from the history and swap them in when level; needs no broker",
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
      value: 'FILE',
      describe: "The consumer's SQLite file; it may run meanwhile",
      defaultDescription: './<consumer>.db',
    },
    history: historyOption,
    table: {
      type: 'texts',
      value: 'NAME',
      describe: "The consumer's own tables, where the file holds other consumers too",
    },
    wait: {
      type: 'seconds',
      min: 0,
      default: 60,
      describe: 'How long to wait for the recorder to record what the consumer has applied live',
    },
    json: { ...jsonOption, describe: 'The outcome as JSON' },
  },
  examples: [
    ['rebuild ./shipping.ts', 'After a handler was mended: readers see the old tables or the new'],
    ['rebuild ./consumers.js --export shipping --store data/all.db --table parcels', 'One of several'],
  ],
  async run({ module, store, history, table, wait, json, ...rest }, cli) {
    const definition = await loadDefinition(cli.path(module), rest.export ?? 'default')
    await using reader = await openReader(cli, { history, exchange: definition.exchange })
    const { rebuildConsumer } = await import('../../../consumers/index.ts')
    const reading = { done: 0 } as { done: number; total?: number; note?: string }
    const end = cli.progress({ unit: 'positions', read: (): Reading => reading })
    let rebuilt: Rebuilt
    try {
      rebuilt = await rebuildConsumer(definition, {
        store: await storeAddress(cli, store ?? `${definition.name}.db`),
        history: reader,
        ...(table.length > 0 && { tables: table }),
        levelWaitMs: Math.round(wait * 1_000),
        signal: cli.stopSignal(),
        logger: cli.logger,
        onProgress({ phase, position, cursor }) {
          const note = phase === 'waiting' ? 'waits for the recorder' : phase
          Object.assign(reading, { done: position, total: cursor, note })
        },
      })
    } finally {
      end()
    }
    if (json) await cli.output.json(rebuilt)
    else await cli.output.lines(rebuiltList(rebuilt))
    sayWhatIsElse(cli, rebuilt)
    return exitCodes.ok
  },
})

function rebuiltList({ consumer, exchange, cursor, ...rebuilt }: Rebuilt): string[] {
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(2)} s`
  return listOf({
    consumer,
    exchange,
    cursor: count(cursor),
    applied: count(rebuilt.applied),
    parked: count(rebuilt.parked),
    discarded: count(rebuilt.discarded),
    tables: rebuilt.tables.join(', '),
    took: `${seconds(rebuilt.tookMs)}, for ${seconds(rebuilt.lockedMs)} of which the consumer had to wait`,
  })
}

function sayWhatIsElse(cli: Cli, { left, dropped, parked }: Rebuilt): void {
  if (left.length > 0) cli.say(`Not made by this definition, and left as they were: ${left.join(', ')}`)
  if (dropped.length > 0)
    cli.say(`Not made by this definition, and gone with the old tables: ${dropped.join(', ')}`)
  if (parked > 0) cli.say(`${count(parked)} events are parked: their handlers fail, or they wait behind one`)
}
