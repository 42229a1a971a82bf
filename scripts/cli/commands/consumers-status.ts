/** `backstory consumers status`: how far consumers are, from their stores. */
import { existsSync } from 'node:fs'
import type { StoredConsumer } from '../../../consumers/index.ts'
import type { Cli } from '../cli.ts'
import { defineCommand, historyOption, jsonOption } from '../command.ts'
import { CliError, exitCodes } from '../errors.ts'
import { withHistory } from '../open-history.ts'
import { storeAddress } from '../store-address.ts'
import { Table } from '../table.ts'

export const statusCommand = defineCommand({
  name: 'consumers status',
  summary: 'Show how far the consumers in these stores are; needs no broker',
  positionals: {
    stores: { kind: 'many', describe: 'Stores of consumers: SQLite files, or postgres:// URLs' },
  },
  options: {
    history: { ...historyOption, describe: 'The history, for head and lag; left out where there is none' },
    json: jsonOption,
  },
  examples: [
    ['consumers status production.db shipping.db', 'A table'],
    ['consumers status shipping.db --json', 'For a program'],
  ],
  async run({ stores, history, json }, cli) {
    const rows = []
    for (const { store, consumer } of await readStores(cli, stores)) {
      const { name, exchange, state, updatedAt, waiting, counts } = consumer
      const head = await headOf(cli, { history, exchange })
      const lag = head === undefined ? undefined : head - state.cursor
      const { phase, cursor, replayed, live, duplicates, repairs } = state
      const beyond = waiting.length
      const figures = {
        phase,
        cursor,
        head,
        lag,
        applied: replayed + live - counts.parked - counts.discarded,
        parked: counts.parked + counts.reactions,
        replayed,
        live,
        duplicates,
        repairs,
      }
      rows.push({ consumer: name, exchange, ...figures, beyond, updatedAt: updatedAt.toISOString(), store })
    }
    if (json) await cli.output.lines(rows.map((row) => JSON.stringify(row)))
    else await cli.output.lines(tableOf(rows))
    return exitCodes.ok
  },
})

/** A phase is the one that was last saved: what was killed has not said goodbye. */
function tableOf(rows: readonly Record<string, string | number | undefined>[]): string[] {
  const columns = ['consumer', 'exchange', 'phase', 'cursor', 'head', 'lag', 'applied', 'parked']
  const all = [...columns, 'replayed', 'live', 'duplicates', 'repairs', 'updatedAt']
  return new Table([...all.slice(0, -1), 'updated']).page(rows.map((row) => all.map((column) => row[column])))
}

/**
 * @returns Each consumer, with its store as it may be shown.
 * @throws ConsumerError as `readStore` does; CliError `CLI_FILE_UNREADABLE` where a file is missing.
 */
export async function readStores(
  cli: Cli,
  stores: readonly string[],
): Promise<{ store: string; consumer: StoredConsumer }[]> {
  const { readStore } = await import('../../../consumers/index.ts')
  const { isPostgresUrl, shownAddress } = await import('../../../history/index.ts')
  const found = []
  for (const typed of stores) {
    const address = await storeAddress(cli, typed)
    const store = shownAddress(typed)
    // Reading makes none, and its error could not tell a store from a history.
    if (!isPostgresUrl(address) && !existsSync(address)) {
      throw new CliError(
        'CLI_FILE_UNREADABLE',
        `${store} does not exist; name the store of a consumer that has run`,
      )
    }
    for (const consumer of await readStore(address)) found.push({ store, consumer })
  }
  return found
}

/** Undefined where no history was named and none of that exchange is where it would be. */
async function headOf(
  cli: Cli,
  { history, exchange }: { history: string | undefined; exchange: string },
): Promise<number | undefined> {
  const { origin } = await cli.history(history)
  try {
    return await withHistory(cli, { history, exchange }, async (reader) => (await reader.bounds()).head)
  } catch (error) {
    const { code } = error as { code?: unknown }
    const isElsewhere = code === 'HISTORY_NOT_FOUND' || code === 'HISTORY_FOREIGN'
    if (origin === 'default' && isElsewhere) return undefined
    throw error
  }
}
