import { after } from 'node:test'
import { historyContract } from '../history/history.contract.ts'
import { openHistory, openHistoryWriter, openPostgres } from '../history/index.ts'
import { testPostgres } from './fixtures/postgres.ts'

/** One for the file: to make one takes half a second. */
const database = testPostgres({ after })

historyContract('postgres', async (t) => {
  const history = await database
  t.after(() => execute('DROP SCHEMA backstory_history_orders CASCADE'))
  return {
    openWriter: () => openHistoryWriter({ history, exchange: 'orders' }),
    openReader: () => openHistory({ history }),
    removeByHand: (position) =>
      execute(`DELETE FROM backstory_history_orders.events WHERE position = ${position}`),
  }
})

async function execute(statement: string): Promise<void> {
  const client = await openPostgres(await database, { name: 'backstory test' })
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
