/** Bootstrap of a consumer into its SQLite table, beside the same upsert and an inbox row in a bare loop. */
import { recordedExchange } from '../recorded-exchange.ts'
import type { Row } from '../row.ts'

export const bootstrap: Row = {
  name: 'bootstrap',
  path: 'bootstrap of a consumer into its SQLite table',
  events: { usual: 200_000, quick: 2_000 },
  async prepare(bench) {
    const { events, folder } = bench
    const ours = await bench.start('bootstrap', await recordedExchange(bench))
    const loop = await bench.start('bare-loop', { events, folder })
    return {
      ours: { label: 'consumer, from its start until it has caught up', run: () => ours.round() },
      peers: [
        {
          label: 'bare loop from memory: inbox row and upsert, 500 to a transaction',
          target: 0.5,
          run: () => loop.round(),
        },
      ],
    }
  },
}
