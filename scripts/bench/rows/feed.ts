/** Reading a history through its feed, which is served by another process, beside reading its file. */
import { join } from 'node:path'
import { drawPort } from '../../services/ports.ts'
import { fillHistory } from '../fill.ts'
import type { Row } from '../row.ts'

const exchange = 'orders'

export const feed: Row = {
  name: 'feed',
  path: 'reading a history through its feed',
  events: { usual: 300_000, quick: 2_000 },
  async prepare(bench) {
    const { folder, events } = bench
    const history = join(folder, 'feed.db')
    await fillHistory(history, { exchange, events })
    const port = await drawPort()
    await bench.start('feed-server', { history, port })
    const setup = { exchange, events, work: 'read' } as const
    const url = `http://127.0.0.1:${port}/exchanges/${exchange}`
    const ours = await bench.start('scale-reader', { ...setup, history: url })
    const direct = await bench.start('scale-reader', { ...setup, history })
    return {
      ours: { label: 'pages of 1,000 by HTTP, undecoded', run: () => ours.round() },
      peers: [{ label: 'the same pages from the SQLite file', target: 0.5, run: () => direct.round() }],
    }
  },
}
