/**
 * Writes events into a table: a row each, in order, each batch in a transaction.
 *
 * After a row that was refused fewer are sent at once, then more again: where many are, what comes behind each
 * would be sent again and again.
 */
import { type Action, ActionFailure, type Outcome, type PlannedWrite } from '../../action.ts'
import { ReplayError } from '../../errors.ts'
import type { Mapping } from '../../mapping/mapping.ts'
import type { ReplayEvent } from '../../replay-event.ts'
import { Connections } from './connections.ts'
import type { Row, SqlDatabase } from './sql-database.ts'
import type { TableWrite } from './table-write.ts'
import { writeInOrder } from './write-in-order.ts'

export class SqlAction implements Action<Row> {
  readonly name: string
  readonly target: string
  readonly isLocal: boolean
  readonly isIdempotent: boolean
  readonly batchMax: number
  readonly stopsAtFailure = true
  readonly #database: SqlDatabase
  readonly #mapping: Mapping
  readonly #write: TableWrite
  readonly #connections: Connections
  #rowsAtOnce: number

  constructor(
    database: SqlDatabase,
    { write, mapping, batchMax }: { write: TableWrite; mapping: Mapping; batchMax: number },
  ) {
    this.#database = database
    this.#mapping = mapping
    this.#write = write
    this.batchMax = batchMax
    this.#rowsAtOnce = batchMax
    this.name = `${write.mode} ${database.name} ${write.table.join('.')}`
    this.target = database.target
    this.isLocal = database.isLocal
    this.isIdempotent = write.mode !== 'insert'
    this.#connections = new Connections(() => database.connect())
  }

  prepare(event: ReplayEvent): Row {
    const values = this.#mapping.valuesOf(event)
    for (const name of this.#write.key) {
      // NULL equals nothing: each time there would be another row.
      if (values[this.#write.columns.indexOf(name)] === null)
        throw new ReplayError('REPLAY_EVENT_REFUSED', `The key ${JSON.stringify(name)} is null`)
    }
    return this.#database.rowOf(values)
  }

  describe(row: Row): PlannedWrite {
    return { kind: 'sql', statement: this.#database.statement, parameters: row.map(shown) }
  }

  async open(): Promise<void> {
    try {
      await this.#connections.use(async () => {})
    } catch (error) {
      if (!(error instanceof ActionFailure)) throw error
      const message = `${this.#database.name} cannot be used (${error.message})`
      throw new ReplayError('REPLAY_ACTION_UNAVAILABLE', message, { cause: error })
    }
  }

  async act(batch: readonly Row[], { signal }: { signal: AbortSignal }): Promise<readonly Outcome[]> {
    const rows = batch.slice(0, this.#rowsAtOnce)
    const outcomes = await this.#connections.use(
      async (connection) =>
        await writeInOrder(connection, rows, { signal, skipsPresent: this.#skipsPresent }),
    )
    const stopped = outcomes.findIndex((outcome) => outcome !== 'done')
    this.#rowsAtOnce = stopped === -1 ? Math.min(this.#rowsAtOnce * 2, this.batchMax) : Math.max(1, stopped)
    return outcomes
  }

  async close(): Promise<void> {
    await this.#connections.close()
  }

  /** Whether what is inserted again, after an answer that was lost, can be known. */
  get #skipsPresent(): boolean {
    return this.#write.mode === 'insert' && this.#write.key.length > 0
  }
}

/** A report is JSON: bytes are in base64, and a number that JSON's readers would change is a text. */
function shown(parameter: unknown): unknown {
  if (Buffer.isBuffer(parameter)) return parameter.toString('base64')
  if (typeof parameter !== 'bigint') return parameter
  const number = Number(parameter)
  return Number.isSafeInteger(number) ? number : String(parameter)
}
