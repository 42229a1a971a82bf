/**
 * The swap of a rebuild: in one transaction, each table that the draft has takes the place of the one of
 * that name in the store, with its indexes and triggers, and so do the views. Ours (`backstory_`) stay.
 *
 * A table is dropped, made by the statement that made it in the draft, and filled with its rows. What the
 * store has besides is left alone; where that does not fit with the new tables, nothing is swapped.
 */
import type { SqliteDatabase } from '../../history/index.ts'
import { ConsumerError } from '../errors.ts'
import { draftSchema } from './rebuild-target.ts'

export interface SwappedTables {
  /** Tables and views that are new or took the place of others, in alphabetical order, as all of these. */
  readonly tables: readonly string[]
  /** Tables and views of the store that the definition does not make: left as they were. */
  readonly left: readonly string[]
  /** Indexes and triggers that the old tables had and the definition does not make: they went with these. */
  readonly dropped: readonly string[]
}

/** Names of the draft's tables and views. */
export function namesInDraft(database: SqliteDatabase): string[] {
  return relationsIn(database, draftSchema)
    .filter(({ type }) => type !== 'shadow')
    .map(({ name }) => name)
}

/**
 * Tables that the swap would add, or whose columns it would change: code that was written for the old ones
 * must not go on with the new.
 */
export function changedTables(database: SqliteDatabase): string[] {
  return relationsIn(database, draftSchema)
    .filter(({ type }) => type === 'table' || type === 'virtual')
    .map(({ name }) => name)
    .filter((name) => columnsOf(database, 'main', name) !== columnsOf(database, draftSchema, name))
}

/**
 * Swaps, within the open transaction.
 *
 * @param options.between - Awaited after each table.
 * @throws ConsumerError `CONSUMER_REBUILD_CONFLICT` where something else in the store does not fit with the
 *   new tables; SQLite's own errors where the file cannot be written; what `between` rejects with.
 */
export async function swapTables(
  database: SqliteDatabase,
  { path, between }: { path: string; between(): Promise<void> },
): Promise<SwappedTables> {
  const draft = relationsIn(database, draftSchema)
  const names = new Set(draft.map(({ name }) => keyOf(name)))
  const store = relationsIn(database, 'main').filter(({ type }) => type !== 'shadow')
  const left = store.filter(({ name }) => !names.has(keyOf(name))).map(({ name }) => name)
  const referring = left.filter((name) => refersTo(database, name, names))
  const broken = brokenReferences(database, referring)
  const attached = attachedTo(database, 'main', names)
  try {
    for (const { name, type } of store)
      if (names.has(keyOf(name)))
        database.exec(`DROP ${type === 'view' ? 'VIEW' : 'TABLE'} main.${quoted(name)}`)
    make(database, ['table', 'index'], draft)
    // SQLite keeps what is within a virtual table from everyone who does not ask for that.
    database.unsafeMode(draft.some(({ type }) => type === 'shadow'))
    for (const { name, type } of draft) {
      if (type !== 'table' && type !== 'shadow') continue
      copyRows(database, name)
      await between()
    }
    database.unsafeMode(false)
    make(database, ['view', 'trigger'], draft)
    copyNumbers(database, draft)
    if (brokenReferences(database, referring) > broken) {
      throw new ConsumerError(
        'CONSUMER_REBUILD_CONFLICT',
        `Rows of ${referring.join(', ')} in ${path} refer to rows that the new tables do not have; mend or remove them, then rebuild again`,
      )
    }
  } catch (error) {
    throw conflict(error, path)
  }
  const kept = new Set(attachedTo(database, 'main', names).map(keyOf))
  return {
    tables: namesInDraft(database),
    left,
    dropped: attached.filter((name) => !kept.has(keyOf(name))),
  }
}

interface Relation {
  readonly name: string
  /** A shadow table is a part of a virtual one, which makes it. */
  readonly type: 'table' | 'view' | 'virtual' | 'shadow'
}

/** The application's own tables and views, in alphabetical order. */
function relationsIn(database: SqliteDatabase, schema: string): Relation[] {
  const rows = database
    .prepare('SELECT name, type FROM pragma_table_list WHERE schema = ? ORDER BY name')
    .all(schema) as Relation[]
  return rows.filter(({ name }) => !/^(backstory|sqlite)_/i.test(name))
}

/** Indexes and triggers of these tables that were made by a statement of their own, in alphabetical order. */
function attachedTo(database: SqliteDatabase, schema: string, names: ReadonlySet<string>): string[] {
  const rows = database
    .prepare(
      `SELECT name, tbl_name AS "table" FROM ${schema}.sqlite_schema
       WHERE type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY name`,
    )
    .all() as { name: string; table: string }[]
  return rows.filter(({ table }) => names.has(keyOf(table))).map(({ name }) => name)
}

/** Makes what is of these types in the draft, by the statements that made it there, in their order. */
function make(
  database: SqliteDatabase,
  types: readonly ('table' | 'index' | 'view' | 'trigger')[],
  draft: readonly Relation[],
): void {
  const own = new Set(draft.filter(({ type }) => type !== 'shadow').map(({ name }) => name))
  const statements = database.prepare(
    `SELECT sql, tbl_name AS "table" FROM ${draftSchema}.sqlite_schema
     WHERE type = ? AND sql IS NOT NULL ORDER BY rowid`,
  )
  for (const type of types) {
    for (const { sql, table } of statements.all(type) as { sql: string; table: string }[])
      if (own.has(table)) database.exec(sql)
  }
}

/**
 * With no columns named SQLite moves the rows as they are stored, index entries too; generated columns
 * forbid it. A shadow table has the rows of an empty virtual one by now.
 */
function copyRows(database: SqliteDatabase, table: string): void {
  const columns = database
    .prepare('SELECT name, hidden FROM pragma_table_xinfo(?, ?)')
    .all(table, draftSchema) as { name: string; hidden: number }[]
  const stored = columns.filter(({ hidden }) => hidden === 0).map(({ name }) => quoted(name))
  const [into, from] = stored.length === columns.length ? ['', '*'] : [`(${stored})`, `${stored}`]
  const name = quoted(table)
  database.exec(
    `DELETE FROM main.${name}; INSERT INTO main.${name} ${into} SELECT ${from} FROM ${draftSchema}.${name}`,
  )
}

/** AUTOINCREMENT goes on where the draft is, and so do migrations by `user_version`. */
function copyNumbers(database: SqliteDatabase, draft: readonly Relation[]): void {
  const forget = database.prepare('DELETE FROM main.sqlite_sequence WHERE name = ?')
  const copy = database.prepare(
    `INSERT INTO main.sqlite_sequence (name, seq)
     SELECT name, seq FROM ${draftSchema}.sqlite_sequence WHERE name = ?`,
  )
  for (const { name } of draft) {
    forget.run(name)
    copy.run(name)
  }
  const version = database.pragma(`${draftSchema}.user_version`, { simple: true })
  if (version !== 0) database.pragma(`main.user_version = ${version}`)
}

function columnsOf(database: SqliteDatabase, schema: string, table: string): string {
  const columns = database
    .prepare('SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?, ?)')
    .raw()
    .all(table, schema)
  return JSON.stringify(columns)
}

function refersTo(database: SqliteDatabase, table: string, names: ReadonlySet<string>): boolean {
  const parents = database
    .prepare(`SELECT "table" FROM pragma_foreign_key_list(?, 'main')`)
    .pluck()
    .all(table) as string[]
  return parents.some((parent) => names.has(keyOf(parent)))
}

/** Rows of these tables that refer to rows which are not there. */
function brokenReferences(database: SqliteDatabase, names: readonly string[]): number {
  const count = database.prepare(`SELECT count(*) FROM pragma_foreign_key_check(?, 'main')`).pluck()
  return names.reduce((sum, name) => sum + (count.get(name) as number), 0)
}

/** SQLite's names differ in more than the case of their letters. */
function keyOf(name: string): string {
  return name.toLowerCase()
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** What SQLite says against the statements themselves: it has to be looked at, and nothing was swapped. */
function conflict(error: unknown, path: string): unknown {
  const { code, message } = error as { code?: unknown; message?: string }
  if (error instanceof ConsumerError || !/^SQLITE_(ERROR|CONSTRAINT|MISMATCH)/.test(String(code)))
    return error
  return new ConsumerError(
    'CONSUMER_REBUILD_CONFLICT',
    `The new tables do not fit with what else is in ${path} (${message}); remove or rename that, then rebuild again`,
    { cause: error },
  )
}
