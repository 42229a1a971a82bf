/** From publish to committed handler, at a steady pace, beside a bare consumer that does nothing. */
import { setTimeout as sleep } from 'node:timers/promises'
import { openPublisher } from '../../../publisher/index.ts'
import { sentHeader } from '../latency.ts'
import { orderEvent, source } from '../order-placed.ts'
import type { PartProcess } from '../part-process.ts'
import { recordedExchange } from '../recorded-exchange.ts'
import type { Row } from '../row.ts'

const eventsPerSecond = 1_000

export const latency: Row = {
  name: 'latency',
  path: `live latency at ${eventsPerSecond.toLocaleString('en-US')} events/s, median`,
  events: { usual: 5_000, quick: 300 },
  measure: { unit: 'ms', figure: ({ ms }) => ms, judge: 'excess' },
  async prepare(bench) {
    const { url, events, folder } = bench
    const { exchange, history } = await recordedExchange({ ...bench, events: 1, quick: true })
    const setup = { url, exchange, history, folder, events }
    const ours = await bench.start('live-consumer', setup)
    const bare = await bench.start('bare-consumer', setup)
    const publisher = openPublisher({ broker: url, exchange, source })
    bench.atEnd(() => publisher.close())
    let number = 0

    /** Publishes at the pace for as long as the part measures. */
    async function whilePublishing(part: PartProcess) {
      let isMeasuring = true
      const round = part.round().finally(() => {
        isMeasuring = false
      })
      const startedAt = performance.now()
      for (let sent = 0; isMeasuring; ) {
        const due = ((performance.now() - startedAt) / 1_000) * eventsPerSecond
        for (; sent < due; sent++, number++) {
          const headers = { [sentHeader]: String(process.hrtime.bigint()) }
          publisher.publish({ ...orderEvent(number), headers }).catch(() => {})
        }
        await sleep(1)
      }
      return await round
    }

    return {
      ours: { label: 'consumer, publish to committed upsert', run: () => whilePublishing(ours) },
      peers: [
        {
          label: 'bare amqplib consumer, publish to callback; target: the most that ours takes longer',
          target: 3,
          run: () => whilePublishing(bare),
        },
      ],
    }
  },
}
