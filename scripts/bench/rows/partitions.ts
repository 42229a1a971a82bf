/** Recorders of two partitions, a process each, from full queues to durable SQLite, beside one of as many events. */
import { declarePartitions, historyQueueOf, partitionExchangesOf } from '../../../broker/index.ts'
import { fillQueue, purge, readyIn } from '../fill.ts'
import { together } from '../part.ts'
import type { PartProcess } from '../part-process.ts'
import type { Row } from '../row.ts'
import { benchExchange, benchPartitions } from '../topology.ts'

const partitions = 2

export const partitionsRow: Row = {
  name: 'partitions',
  path: 'recorders of 2 partitions, queues to durable SQLite',
  events: { usual: 100_000, quick: 2_000 },
  async prepare(bench) {
    const { url, broker, events, folder } = bench
    const whole = await benchExchange(bench)
    const one = await bench.start('recorder', { url, exchange: whole, events, folder })
    const exchange = await benchPartitions(bench, partitions)
    await declarePartitions(broker, { exchange, partitions })
    const names = partitionExchangesOf(exchange, partitions)
    // The same orders go the same ways each time.
    await fillQueue(broker, { exchange, events, partitions })
    const parts: PartProcess[] = []
    for (const name of names) {
      const share = await readyIn(broker, historyQueueOf(name))
      parts.push(await bench.start('recorder', { url, exchange: name, events: share, folder }))
    }
    for (const name of names) await purge(broker, historyQueueOf(name))

    return {
      ours: {
        label: 'two recorders, a process each',
        async run() {
          await fillQueue(broker, { exchange, events, partitions })
          return together(await Promise.all(parts.map((part) => part.round())))
        },
      },
      peers: [
        {
          label: 'one recorder, of an exchange that is not parted',
          target: undefined,
          async run() {
            await fillQueue(broker, { exchange: whole, events })
            return await one.round()
          },
        },
      ],
    }
  },
}
