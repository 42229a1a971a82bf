/**
 * What the SQL action asks of a database. Each database is a file of its own here: how it spells statements, what
 * it takes as parameters, and what its errors mean.
 */

import { ActionFailure } from '../../action.ts'
import type { FailureKind } from '../../failure-cause.ts'
import type { MappedValue } from '../../mapping/mapped-value.ts'

/** A row's parameters, in the order of the columns, as the driver takes them. */
export type Row = readonly unknown[]

export interface SqlDatabase {
  /** Holds no secret. */
  readonly name: string
  /** The table that is written, the same for each way to spell it: see `tableTarget`. */
  readonly target: string
  readonly isLocal: boolean
  /** What one row is written with. */
  readonly statement: string
  /** @throws ReplayError `REPLAY_EVENT_REFUSED` for what the database has no form for. */
  rowOf(values: readonly MappedValue[]): Row
  /**
   * @throws ActionFailure `unavailable` or `throttled` where it cannot be reached, lets us not in, or has no such
   *   database. ReplayError `REPLAY_DRIVER_MISSING`.
   */
  connect(): Promise<SqlConnection>
}

export interface SqlConnection {
  /** False once it is lost: it is not used again. */
  readonly isOpen: boolean
  /**
   * Writes rows in their order, in one transaction.
   *
   * @returns undefined where all are committed, else why none is.
   */
  write(rows: readonly Row[]): Promise<WriteFailure | undefined>
  /** Whether there is a row of this key and with these values; false too where the database cannot say. */
  holds(row: Row): Promise<boolean>
  close(): Promise<void>
}

export interface WriteFailure {
  readonly failure: ActionFailure
  /** Which of the rows it was, counted from 0; undefined where it could be any. */
  readonly row: number | undefined
}

/** What the code of an error says, and what it is called. */
export interface Verdict {
  readonly kind: FailureKind
  readonly code: string
  readonly name?: string | undefined
}

export function failureOf({ kind, code, name }: Verdict, cause: unknown): ActionFailure {
  const message = cause instanceof Error ? cause.message : String(cause)
  const shown = name === undefined || name === '' ? message : `${name}: ${message}`
  return new ActionFailure(kind, code, shown, { cause })
}
