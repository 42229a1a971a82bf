/** Our recorder, from the call until the last event is committed and acknowledged, a new history each time. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectBroker } from '../../../broker/index.ts'
import { openHistory, startRecorder } from '../../../history/index.ts'
import { type Part, requireCount } from '../part.ts'

export interface RecorderSetup {
  readonly url: string
  readonly exchange: string
  readonly events: number
  readonly folder: string
}

const pollMs = 1

export async function open({ url, exchange, events, folder }: RecorderSetup): Promise<Part> {
  const broker = connectBroker({ url })
  await broker.connected()
  let round = 0

  return {
    async round() {
      round += 1
      const path = join(folder, `${exchange}-${round}.db`)
      const started = performance.now()
      const recorder = startRecorder({ broker, exchange, history: path })
      await recorder.started()
      // The acknowledgement is sent in the same turn in which the commit returns.
      while (recorder.status.recorded < events) await sleep(pollMs)
      const ms = performance.now() - started
      await recorder.close()
      const history = openHistory({ history: path })
      const { head: found } = await history.bounds()
      await history.close()
      requireCount('events in the history', { found, expected: events })
      for (const suffix of ['', '-wal', '-shm', '-writer']) await rm(path + suffix, { force: true })
      return { events, ms }
    },
    close: () => broker.close(),
  }
}
