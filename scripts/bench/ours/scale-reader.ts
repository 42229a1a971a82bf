/** Reads a whole history, page by page, and leaves its events undecoded; or audits it. */
import { auditHistory, openHistory } from '../../../history/index.ts'
import { type Part, requireCount } from '../part.ts'

export interface ScaleReaderSetup {
  readonly history: string
  readonly exchange: string
  readonly events: number
  readonly work: 'read' | 'audit'
}

export async function open({ history, exchange, events, work }: ScaleReaderSetup): Promise<Part> {
  const reader = openHistory({ history, exchange })

  async function readAll(): Promise<number> {
    let count = 0
    for (let after = 0; ; ) {
      const page = await reader.read({ after, limit: 1_000 })
      if (page.length === 0) return count
      count += page.length
      after = page.at(-1)!.position
    }
  }

  async function audit(): Promise<number> {
    const { clean, held } = await auditHistory(reader)
    if (!clean) throw new Error('The audit found something in a history that was just made')
    return held
  }

  return {
    async round() {
      const started = performance.now()
      const found = await (work === 'read' ? readAll() : audit())
      const ms = performance.now() - started
      requireCount('events', { found, expected: events })
      return { events, ms }
    },
    close: () => reader.close(),
  }
}
