/**
 * Writes rows in their order, as far as they go.
 *
 * One transaction takes them all. Where a row is refused, those before it are written in one of their own; a
 * database that does not say which row it was is asked by halves.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { ActionFailure, type Outcome } from '../../action.ts'
import type { Row, SqlConnection, WriteFailure } from './sql-database.ts'

interface WriteOptions {
  readonly signal: AbortSignal
  /** A row that is refused, but is there with the same values, is `skipped`. */
  readonly skipsPresent: boolean
}

/**
 * @returns Outcomes up to the first refusal, or of those that were done before something else went wrong.
 * @throws ActionFailure where it is no row's fault, and nothing was done.
 */
export async function writeInOrder(
  connection: SqlConnection,
  rows: readonly Row[],
  options: WriteOptions,
): Promise<Outcome[]> {
  const failed = await attempt(connection, rows, options.signal)
  if (failed === undefined) return rows.map(() => 'done')
  const { failure, row } = failed
  if (failure.kind !== 'refused') throw failure
  if (rows.length === 1) {
    return [options.skipsPresent && (await connection.holds(rows[0]!)) ? 'skipped' : failure]
  }
  // The row itself is tried once more alone, and what it is told then counts.
  const cuts = row === undefined ? [Math.floor(rows.length / 2), rows.length] : [row, row + 1]
  const outcomes: Outcome[] = []
  for (const cut of cuts) {
    const part = rows.slice(outcomes.length, cut)
    if (part.length === 0) continue
    try {
      outcomes.push(...(await writeInOrder(connection, part, options)))
    } catch (error) {
      // What was done is told: to do it again would be another row, where rows are inserted.
      if (outcomes.length > 0 && error instanceof ActionFailure) return outcomes
      throw error
    }
    if (outcomes.length < cut || outcomes.at(-1) instanceof ActionFailure) return outcomes
  }
  return outcomes
}

const tries = 6
const firstWaitMs = 5

/** Deadlocks and the like are over as soon as the other transaction is. */
async function attempt(
  connection: SqlConnection,
  rows: readonly Row[],
  signal: AbortSignal,
): Promise<WriteFailure | undefined> {
  for (let attempt = 1; ; attempt++) {
    const failed = await connection.write(rows)
    const isPassing = failed?.failure.kind === 'throttled' && connection.isOpen
    if (!isPassing || attempt === tries || signal.aborted) return failed
    await sleep(firstWaitMs * 2 ** attempt * Math.random())
  }
}
