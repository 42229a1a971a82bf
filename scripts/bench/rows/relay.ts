/** The relay of an outbox beside a bare confirm channel, which reads from memory and deletes nothing. */
import { historyQueueOf } from '../../../broker/index.ts'
import { purge, readyIn } from '../fill.ts'
import { type Round, requireCount } from '../part.ts'
import type { PartProcess } from '../part-process.ts'
import type { Row } from '../row.ts'
import { benchExchange } from '../topology.ts'

const inFlightMax = 1_000

export const relay: Row = {
  name: 'relay',
  path: 'relay of an outbox in SQLite',
  events: { usual: 100_000, quick: 2_000 },
  async prepare(bench) {
    const { url, broker, events, folder } = bench
    const exchange = await benchExchange(bench)
    const queue = historyQueueOf(exchange)
    const setup = { url, exchange, events, inFlightMax }
    const ours = await bench.start('relay', { ...setup, folder })
    const bare = await bench.start('bare-publisher', setup)

    async function intoEmptyQueue(part: PartProcess): Promise<Round> {
      await purge(broker, queue)
      const round = await part.round()
      requireCount('messages in the queue', { found: await readyIn(broker, queue), expected: events })
      return round
    }

    return {
      ours: {
        label: `relay, ${inFlightMax} in flight, from full until empty`,
        run: () => intoEmptyQueue(ours),
      },
      peers: [
        {
          label: 'bare amqplib confirm channel, same properties, headers and number in flight',
          target: 0.5,
          run: () => intoEmptyQueue(bare),
        },
      ],
    }
  },
}
