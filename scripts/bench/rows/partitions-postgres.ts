/**
 * Two consumers into databases of one PostgreSQL server, a process each with half of the events, beside one with
 * all of them. They stand for two instances with a partition each: how these share the partitions out takes
 * seconds, which would be all that is seen.
 */
import { startPrivatePostgres } from '../../services/private-postgres.ts'
import { newDatabase } from '../new-database.ts'
import { together } from '../part.ts'
import type { PartProcess } from '../part-process.ts'
import { recordedExchange } from '../recorded-exchange.ts'
import type { Row } from '../row.ts'

export const partitionsPostgres: Row = {
  name: 'partitions-postgres',
  path: 'bootstrap of two consumers of half the events into PostgreSQL',
  events: { usual: 30_000, quick: 1_000 },
  async prepare(bench) {
    const { say, atEnd, events } = bench
    const server = await startPrivatePostgres({ say })
    atEnd(() => server.stop())
    const start = async (name: string, share: number) => {
      const exchange = await recordedExchange({ ...bench, events: share })
      const store = await newDatabase(server.url, name)
      return await bench.start('bootstrap-postgres', { ...exchange, store })
    }
    const one = await start('one', events)
    const halves = [Math.floor(events / 2), Math.ceil(events / 2)]
    const parts: PartProcess[] = []
    for (const [index, share] of halves.entries()) parts.push(await start(`half_${index}`, share))
    return {
      ours: {
        label: 'two consumers, a process each',
        run: async () => together(await Promise.all(parts.map((part) => part.round()))),
      },
      peers: [{ label: 'one consumer of all events', target: undefined, run: () => one.round() }],
    }
  },
}
