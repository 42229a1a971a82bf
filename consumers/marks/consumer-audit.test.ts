import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqlite } from '../../history/index.ts'
import { consumerAuditContract } from './consumer-audit.contract.ts'

consumerAuditContract('sqlite file', {
  async newStore(t) {
    const folder = await mkdtemp(join(tmpdir(), 'backstory-store-'))
    t.after(() => rm(folder, { recursive: true }))
    return join(folder, 'shipping.db')
  },
  async edit(store, block, change) {
    const database = await openSqlite(store)
    const bits = database.prepare('SELECT bits FROM backstory_applied WHERE block = ?').pluck().get(block)
    const checksum = database.prepare('SELECT checksum FROM backstory_consumers').pluck().get()
    const changed = change({ bits: bits as Buffer, checksum: checksum as string })
    database.prepare('UPDATE backstory_applied SET bits = ? WHERE block = ?').run(changed.bits, block)
    database
      .prepare('UPDATE backstory_consumers SET checksum = ?, replayed = replayed - 1')
      .run(changed.checksum)
    database.close()
  },
})
