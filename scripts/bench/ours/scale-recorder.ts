/** Our recorder at work while others publish: a round ends when it has recorded so many events in all. */
import { setTimeout as sleep } from 'node:timers/promises'
import { startRecorder } from '../../../history/index.ts'
import type { Part } from '../part.ts'

export interface ScaleRecorderSetup {
  readonly url: string
  readonly exchange: string
  /** Address of the history. */
  readonly history: string
  readonly events: number
}

const pollMs = 5

export async function open({ url, exchange, history, events }: ScaleRecorderSetup): Promise<Part> {
  const recorder = startRecorder({ broker: url, exchange, history })
  await recorder.started()
  return {
    async round() {
      const started = performance.now()
      while (recorder.status.head < events) await sleep(pollMs)
      return { events, ms: performance.now() - started }
    },
    close: () => recorder.close(),
  }
}
