import { after } from 'node:test'
import { openHistory, openHistoryKeeper, openHistoryWriter, openPostgres } from '../history/index.ts'
import { keeperContract } from '../history/keeper.contract.ts'
import { testPostgres } from './fixtures/postgres.ts'

/** One for the file: to make one takes half a second. */
const database = testPostgres({ after })

keeperContract('postgres', async (t) => {
  const history = await database
  t.after(() => query('DROP SCHEMA backstory_history_orders CASCADE'))
  return {
    openWriter: () => openHistoryWriter({ history, exchange: 'orders' }),
    openReader: () => openHistory({ history }),
    openKeeper: () => openHistoryKeeper({ history }),
    traces: tracesOf,
  }
})

/** The tables of events whose files have it, after all pages were written to the disk. */
async function tracesOf(text: string): Promise<string[]> {
  await query('CHECKPOINT')
  const rows = await query(
    `SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE (nspname = 'backstory_history_orders' OR nspname = 'pg_toast') AND relkind IN ('r', 't')
       AND position('${text}'::bytea IN pg_read_binary_file(pg_relation_filepath(pg_class.oid))) > 0`,
  )
  return rows.map(({ relname }) => String(relname))
}

async function query(statement: string): Promise<readonly Record<string, unknown>[]> {
  const client = await openPostgres(await database, { name: 'backstory test' })
  try {
    return (await client.query(statement)).rows as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}
