/**
 * An exchange with a past: its history holds the orders, and its recorder runs, in this process.
 *
 * A consumer remembers the events of the last half minute longer than others (decision 2). A new one seldom
 * joins an exchange whose whole past is that young, so they are let to grow older first.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
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
  bench.say(`  waiting until its events are ${ageMs / 1_000} s old`)
  if (!bench.quick) await sleep(ageMs)
  const recorder = startRecorder({ broker, exchange, history })
  bench.atEnd(() => recorder.close())
  await recorder.started()
  return { url, exchange, history, events, folder }
}

const ageMs = 31_000
