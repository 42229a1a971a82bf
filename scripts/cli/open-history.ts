/** The history that the settings name, opened for reading. */
import { existsSync } from 'node:fs'
import type { HistoryReader } from '../../history/index.ts'
import type { Cli } from './cli.ts'
import { usageError } from './errors.ts'

/**
 * @param options.history - As typed.
 * @param options.exchange - Where given, the history must be this exchange's.
 * @throws CliError `CLI_USAGE` for the URL of a feed that is none.
 */
export async function withHistory<Result>(
  cli: Cli,
  options: { history: string | undefined; exchange?: string },
  read: (reader: HistoryReader) => Promise<Result>,
): Promise<Result> {
  const reader = await openReader(cli, options)
  try {
    return await read(reader)
  } finally {
    await reader.close()
  }
}

/** As `withHistory`, for a reader that its caller closes. */
export async function openReader(
  cli: Cli,
  { history, exchange }: { history: string | undefined; exchange?: string },
): Promise<HistoryReader> {
  const { value: typed } = await cli.history(history)
  const address = await placeOf(typed, exchange)
  const { openHistory, isFeedUrl } = await import('../../history/index.ts')
  const token = isFeedUrl(address) ? await cli.historyToken() : undefined
  try {
    return openHistory({ history: address, exchange, token })
  } catch (error) {
    if (error instanceof TypeError) throw usageError(error.message)
    throw error
  }
}

/** The history of a partition is beside where that of its whole exchange would be; or it was named itself. */
async function placeOf(history: string, exchange: string | undefined): Promise<string> {
  if (exchange === undefined) return history
  const { partitionOf } = await import('../../broker/index.ts')
  const { partitionHistory } = await import('../../history/index.ts')
  const partition = partitionOf(exchange)
  if (partition === undefined) return history
  const own = partitionHistory(history, partition.number)
  return /^[a-z]{2,}:\/\//i.test(own) || existsSync(own) ? own : history
}
