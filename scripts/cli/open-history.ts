/** The history that the settings name, opened for reading. */
import type { HistoryReader } from '../../history/index.ts'
import type { Cli } from './cli.ts'

/**
 * @param options.history - As typed.
 * @param options.exchange - Where given, the history must be this exchange's.
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
  const { value: address } = await cli.history(history)
  const { openHistory, isFeedUrl } = await import('../../history/index.ts')
  const token = isFeedUrl(address) ? await cli.historyToken() : undefined
  return openHistory({ history: address, exchange, token })
}
