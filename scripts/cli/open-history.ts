/** The history that the settings name, opened for reading. */
import type { HistoryReader } from '../../history/index.ts'
import type { Cli } from './cli.ts'

/**
 * @param options.history - As typed.
 * @param options.exchange - Where given, the history must be this exchange's.
 */
export async function withHistory<Result>(
  cli: Cli,
  { history, exchange }: { history: string | undefined; exchange?: string },
  read: (reader: HistoryReader) => Promise<Result>,
): Promise<Result> {
  const { value: path } = await cli.history(history)
  const { openHistory } = await import('../../history/index.ts')
  const reader = openHistory({ history: path, exchange })
  try {
    return await read(reader)
  } finally {
    await reader.close()
  }
}
