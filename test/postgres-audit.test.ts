import { consumerAuditContract } from '../consumers/marks/consumer-audit.contract.ts'
import { openPostgres } from '../history/index.ts'
import { testPostgres } from './fixtures/postgres.ts'

consumerAuditContract('postgresql', {
  newStore: testPostgres,
  async edit(store, block, change) {
    const client = await openPostgres(store, { name: 'backstory test' })
    const { rows } = await client.query<{ bits: Buffer; checksum: string }>(
      'SELECT bits, checksum FROM backstory_applied JOIN backstory_consumers ON name = consumer WHERE block = $1',
      [block],
    )
    const changed = change(rows[0]!)
    await client.query('UPDATE backstory_applied SET bits = $1 WHERE block = $2', [changed.bits, block])
    await client.query('UPDATE backstory_consumers SET checksum = $1, replayed = replayed - 1', [
      changed.checksum,
    ])
    await client.end()
  },
})
