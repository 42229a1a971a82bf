/** What an error of MySQL or MariaDB says: https://mariadb.com/docs/server/reference/error-codes. */

import type { ActionFailure } from '../../action.ts'
import type { FailureKind } from '../../failure-cause.ts'
import { failureOf } from './sql-database.ts'

/** Deadlock, a lock that is not free, a record that changed meanwhile, a query that was ended, too many connections or statements. */
const throttled: ReadonlySet<number> = new Set([
  1020, 1040, 1203, 1205, 1213, 1226, 1317, 1461, 1969, 3024, 3572,
])
/** The server's disk, memory, end, and what it may not write now. */
const unavailable: ReadonlySet<number> = new Set([
  1021, 1037, 1038, 1041, 1053, 1114, 1290, 1792, 1836, 1927, 3100,
])

export function mysqlFailure(error: unknown): ActionFailure {
  const { errno, code, fatal } = (error ?? {}) as { errno?: unknown; code?: unknown; fatal?: unknown }
  const name = typeof code === 'string' ? code : 'CONNECTION_LOST'
  // Those of the system are below 0; those of the driver have none.
  if (typeof errno !== 'number' || errno <= 0)
    return failureOf({ kind: 'unavailable', code: name, name }, error)
  return failureOf({ kind: kindOf(errno, fatal === true), code: String(errno), name }, error)
}

function kindOf(errno: number, isFatal: boolean): FailureKind {
  if (throttled.has(errno)) return 'throttled'
  return isFatal || unavailable.has(errno) ? 'unavailable' : 'refused'
}
