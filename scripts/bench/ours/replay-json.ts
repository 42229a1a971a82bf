/** A dry run over a file of JSON with a pattern, from its start to its report. */
import { stdin } from 'node:process'
import { compilePattern, silentLogger } from '../../../events/index.ts'
import { findPlugin, replay } from '../../../replay/index.ts'
import { dearOrders, leastPrice } from '../order-lines.ts'
import { type Part, requireCount } from '../part.ts'

export interface ReplayJsonSetup {
  readonly file: string
  readonly events: number
}

export async function open({ file, events }: ReplayJsonSetup): Promise<Part> {
  const pattern = compilePattern({ data: { price: [{ numeric: ['>=', leastPrice] }] } })
  const dear = dearOrders(events)
  const context = {
    runId: 'bench',
    cwd: '/',
    logger: silentLogger,
    setting: () => undefined,
    brokers: nothing,
    history: nothing,
    stdin,
    output: { write: nothing },
  }
  const load = nothing
  const source = await findPlugin('source', file, { load })
  const action = await findPlugin('action', 'print', { load })

  return {
    async round() {
      const started = performance.now()
      const report = await replay({
        run: 'bench',
        source: await source.create({ address: file, options: {}, context }),
        rules: [
          {
            name: 'dear',
            pattern,
            action: await action.create({ address: 'print', options: {}, context }),
          },
        ],
        dryRun: true,
      })
      const ms = performance.now() - started
      requireCount('events read', { found: report.read, expected: events })
      requireCount('events picked', { found: report.picked, expected: dear })
      return { events, ms }
    },
    async close() {},
  }
}

async function nothing(): Promise<never> {
  throw new Error('A dry run over a file asks for nothing')
}
