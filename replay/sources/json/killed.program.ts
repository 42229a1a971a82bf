/** Replays `orders.json` of a folder into a file, a line an event, and says when a checkpoint may have been. */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { recordingAction } from '../../replay.fixture.ts'
import { replay } from '../../replay.ts'
import { RunFolder } from '../../run/run-folder.ts'
import { jsonSource } from './json.fixture.ts'

const [folder, out] = process.argv.slice(2) as [string, string]
const action = {
  ...recordingAction({ batchMax: 100 }),
  async act(batch: readonly unknown[]) {
    const ids = batch.map((event) => (event as { json: { id: string } }).json.id)
    appendFileSync(out, ids.map((id) => `${id}\n`).join(''))
    return undefined
  },
}
await replay({
  run: 'killed',
  source: jsonSource('orders.json', { cwd: folder }),
  rules: [{ name: 'r', action }],
  checkpoints: { folder: await RunFolder.open(join(folder, 'run')) },
  onProgress: () => process.stdout.write('.'),
})
