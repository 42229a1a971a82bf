/** Bootstrap of a consumer into a table of PostgreSQL, beside Emmett's rebuild of the same projection. */
import { startPrivatePostgres } from '../../services/private-postgres.ts'
import { newDatabase } from '../new-database.ts'
import { missingPeers } from '../peers/load-peer.ts'
import { recordedExchange } from '../recorded-exchange.ts'
import type { Absent, Peer, Row } from '../row.ts'

export const bootstrapPostgres: Row = {
  name: 'bootstrap-postgres',
  path: 'bootstrap of a consumer into its PostgreSQL table',
  events: { usual: 30_000, quick: 1_000 },
  async prepare(bench) {
    const { say, atEnd, events } = bench
    const server = await startPrivatePostgres({ say })
    atEnd(() => server.stop())
    const exchange = await recordedExchange(bench)
    const ours = await bench.start('bootstrap-postgres', {
      ...exchange,
      store: await newDatabase(server.url, 'ours'),
    })

    async function emmett(): Promise<Peer | Absent> {
      const label = "Emmett's rebuild of the projection, from its own store in PostgreSQL"
      const missing = missingPeers()
      if (missing !== undefined) return { label, target: undefined, notRun: missing }
      const database = await newDatabase(server.url, 'emmett')
      const part = await bench.start('emmett-rebuild', { database, events })
      return { label, target: undefined, run: () => part.round() }
    }

    return {
      ours: { label: 'consumer, from its start until it has caught up', run: () => ours.round() },
      peers: [await emmett()],
    }
  },
}
