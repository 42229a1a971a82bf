/** The tables of SQL databases as an action, by address. The driver is loaded when it connects. */
import type { Action, ActionPlugin } from '../../action.ts'
import { PluginOptions } from '../../options.ts'
import type { PluginTarget } from '../../source.ts'
import { mysqlDatabase } from './mysql.ts'
import { postgresDatabase } from './postgres.ts'
import { SqlAction } from './sql-action.ts'
import type { SqlDatabase } from './sql-database.ts'
import { sqliteDatabase } from './sqlite.ts'
import { type SqlServerDriver, sqlServerDatabase } from './sqlserver.ts'
import { readTableWrite, type TableWrite, writeOptions } from './table-write.ts'

export const action: ActionPlugin = {
  address: 'sqlite:FILE, postgres://…, mysql://…, mariadb://…, sqlserver://…',
  summary: 'Inserts, upserts or deletes a row of a table for each event',
  options: {
    ...writeOptions,
    batchRows: 'Most rows of a transaction, 1 to 10000; default 500',
    timeoutMs: 'Longest that a statement may take; default 60000',
  },
  create: (target) => createSqlAction(target),
}

/** @param drivers.sqlServer - Instead of the package mssql. @throws TypeError as `create` of a plugin. */
export function createSqlAction(
  target: PluginTarget,
  drivers: { readonly sqlServer?: () => Promise<SqlServerDriver> } = {},
): Action {
  const options = new PluginOptions(target)
  const { write, mapping } = readTableWrite(options)
  const batchMax = options.whole('batchRows', { min: 1, max: 10_000 }) ?? 500
  const timeoutMs = options.whole('timeoutMs', { min: 1, max: 2 ** 31 - 1 }) ?? 60_000
  options.end()
  return new SqlAction(databaseOf(target, { write, timeoutMs }, drivers), { write, mapping, batchMax })
}

function databaseOf(
  target: PluginTarget,
  options: { write: TableWrite; timeoutMs: number },
  { sqlServer }: { readonly sqlServer?: () => Promise<SqlServerDriver> },
): SqlDatabase {
  const scheme = target.address.slice(0, target.address.indexOf(':')).toLowerCase()
  if (scheme === 'sqlite') return sqliteDatabase(target, options)
  if (scheme.startsWith('postgres')) return postgresDatabase(target, options)
  if (scheme === 'mysql' || scheme === 'mariadb') return mysqlDatabase(target, options)
  return sqlServerDatabase(target, options, sqlServer)
}
