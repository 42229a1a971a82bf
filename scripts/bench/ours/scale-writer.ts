/** Fills a history through its writer alone, without a broker. */
import { fillHistory } from '../fill.ts'
import type { Part } from '../part.ts'

export interface ScaleWriterSetup {
  readonly exchange: string
  /** Address of the history. */
  readonly history: string
  readonly events: number
}

export async function open({ exchange, history, events }: ScaleWriterSetup): Promise<Part> {
  return {
    async round() {
      const started = performance.now()
      await fillHistory(history, { exchange, events })
      return { events, ms: performance.now() - started }
    },
    async close() {},
  }
}
