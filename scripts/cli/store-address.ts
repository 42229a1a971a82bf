/** A consumer's store as it was typed: a `postgres://` URL, or the path of a SQLite file. */
import type { Cli } from './cli.ts'

/** What opens it. */
export async function storeAddress(cli: Cli, typed: string): Promise<string> {
  const { isPostgresUrl } = await import('../../history/index.ts')
  return isPostgresUrl(typed) ? typed : cli.path(typed)
}
