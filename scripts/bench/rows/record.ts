/** The recorder, from a full queue to durable SQLite, beside consumers of an identical queue. */
import { historyQueueOf } from '../../../broker/index.ts'
import { fillQueue, readyIn } from '../fill.ts'
import { type Round, requireCount } from '../part.ts'
import type { PartProcess } from '../part-process.ts'
import type { Row } from '../row.ts'
import { benchExchange } from '../topology.ts'

/** The recorder's own defaults, for all. */
const prefetch = 2_000
const batchSize = 500

export const record: Row = {
  name: 'record',
  path: 'recorder, queue to durable SQLite',
  events: { usual: 100_000, quick: 2_000 },
  async prepare(bench) {
    const { url, broker, events, folder } = bench
    const exchange = await benchExchange(bench)
    const queue = historyQueueOf(exchange)
    const drain = { url, queue, events, prefetch, ackEvery: batchSize }
    const ours = await bench.start('recorder', { url, exchange, events, folder })
    const idle = await bench.start('idle-consumer', drain)
    const plain = await bench.start('plain-recorder', { ...drain, folder })

    async function fromFullQueue(part: PartProcess): Promise<Round> {
      await fillQueue(broker, { exchange, events })
      requireCount('messages in the queue', { found: await readyIn(broker, queue), expected: events })
      const round = await part.round()
      // What was not acknowledged has returned by now.
      requireCount('messages left over', { found: await readyIn(broker, queue), expected: 0 })
      return round
    }

    return {
      ours: { label: 'recorder', run: () => fromFullQueue(ours) },
      peers: [
        {
          label: 'bare amqplib consumer that does nothing, same queue and prefetch',
          target: 0.65,
          run: () => fromFullQueue(idle),
        },
        {
          label: `plainest loop: an insert a row, ${batchSize} to a commit`,
          target: undefined,
          run: () => fromFullQueue(plain),
        },
      ],
    }
  },
}
