/** A dry run over JSON Lines with a pattern, beside jq and the plainest loop over the same file. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { writeOrders } from '../order-lines.ts'
import { bodyBytes } from '../order-placed.ts'
import type { Absent, Bench, Peer, Row } from '../row.ts'

export const replayJson: Row = {
  name: 'replay-json',
  path: `dry run over JSON Lines of ${bodyBytes} bytes, one event in ten picked`,
  events: { usual: 1_000_000, quick: 2_000 },
  async prepare(bench) {
    const { folder, events } = bench
    const setup = { file: join(folder, 'orders.jsonl'), events }
    await writeOrders(setup.file, { events, as: 'lines' })
    const array = { file: join(folder, 'orders.json'), events }
    await writeOrders(array.file, { events, as: 'array' })
    const ours = await bench.start('replay-json', setup)
    const loop = await bench.start('bare-json-loop', setup)
    const ofArray = await bench.start('replay-json', array)
    return {
      ours: { label: 'replay, with its report', run: () => ours.round() },
      peers: [
        await jq(bench, setup),
        { label: 'bare loop: split, JSON.parse, one comparison', target: 0.7, run: () => loop.round() },
        { label: 'replay over the same events as one array', target: undefined, run: () => ofArray.round() },
      ],
    }
  },
}

async function jq(bench: Bench, setup: { file: string; events: number }): Promise<Peer | Absent> {
  const label = "jq -c 'select(…)' over the same file"
  const target = 2
  if (spawnSync('jq', ['--version']).status !== 0) {
    return { label, target, notRun: 'install it: apt-get install jq' }
  }
  const part = await bench.start('jq', setup)
  return { label, target, run: () => part.round() }
}
