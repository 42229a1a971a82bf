/** A history that is read through a feed keeps every promise of one that is read where it is. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { historyContract } from '../history.contract.ts'
import { openHistory, openHistoryWriter } from '../open-history.ts'
import { openSqlite } from '../sqlite/sqlite.ts'
import { serveFeed } from './feed.ts'

historyContract('through a feed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-feed-'))
  const path = join(folder, 'history.db')
  const feed = await serveFeed({ histories: [path], port: 0 })
  t.after(async () => {
    await feed.close({ drainMs: 0 })
    await rm(folder, { recursive: true, force: true })
  })
  return {
    openWriter: () => openHistoryWriter({ history: path, exchange: 'orders' }),
    openReader: () => openHistory({ history: `${feed.url}/exchanges/orders` }),
    async removeByHand(position) {
      const database = await openSqlite(path)
      database.prepare('DELETE FROM events WHERE position = ?').run(position)
      database.close()
    },
  }
})
