/** The plainest loop over JSON Lines: chunks of 1 MiB, split at line breaks, JSON.parse, one comparison. */
import { createReadStream } from 'node:fs'
import { dearOrders, leastPrice } from '../order-lines.ts'
import type { ReplayJsonSetup } from '../ours/replay-json.ts'
import { type Part, requireCount } from '../part.ts'

export async function open({ file, events }: ReplayJsonSetup): Promise<Part> {
  const expected = dearOrders(events)
  return {
    async round() {
      const started = performance.now()
      let found = 0
      let rest = ''
      for await (const chunk of createReadStream(file, { encoding: 'utf8', highWaterMark: 1024 * 1024 })) {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop()!
        for (const line of lines) if (JSON.parse(line).data.price >= leastPrice) found += 1
      }
      const ms = performance.now() - started
      requireCount('events found', { found, expected })
      return { events, ms }
    },
    async close() {},
  }
}
