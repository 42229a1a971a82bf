/** SQLite's own check of a history's file: its pages, and, in full, that each index has what its table has. */
import { openSqlite, sqliteError } from './sqlite.ts'

const problemsMax = 100

/**
 * Looks at every page of the file, without giving the event loop back meanwhile.
 *
 * @param options.full - Looks into the indexes too, which takes several times as long. Default false.
 * @returns What is wrong, in SQLite's words, 100 at most; none where the file is whole.
 * @throws HistoryError as `openSqlite` does.
 */
export async function checkSqliteFile(
  path: string,
  { full = false }: { full?: boolean } = {},
): Promise<string[]> {
  const database = await openSqlite(path, { readonly: true })
  try {
    const rows = database
      .prepare(`PRAGMA ${full ? 'integrity_check' : 'quick_check'}(${problemsMax})`)
      .pluck()
      .all()
    return (rows as string[]).filter((row) => row !== 'ok')
  } catch (error) {
    throw sqliteError(error, path)
  } finally {
    database.close()
  }
}
