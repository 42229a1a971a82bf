/** An exchange with a past: its history holds the orders, and its recorder runs, in this process. */
import { join } from 'node:path'
import { startRecorder } from '../../history/index.ts'
import { fillHistory } from './fill.ts'
import type { ConsumerSetup } from './ours/new-consumer.ts'
import type { Bench } from './row.ts'
import { benchExchange } from './topology.ts'

/** What a consumer of it is started with. */
export async function recordedExchange(bench: Bench): Promise<ConsumerSetup> {
  const { url, broker, folder, events } = bench
  const exchange = await benchExchange(bench)
  const history = join(folder, `${exchange}.db`)
  await fillHistory(history, { exchange, events })
  const recorder = startRecorder({ broker, exchange, history })
  bench.atEnd(() => recorder.close())
  await recorder.started()
  return { url, exchange, history, events, folder }
}
