/** jq over the same file, in a process of its own; its output goes to a file. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dearOrders, leastPrice } from '../order-lines.ts'
import type { ReplayJsonSetup } from '../ours/replay-json.ts'
import { type Part, requireCount } from '../part.ts'

const newline = 0x0a

export async function open({ file, events }: ReplayJsonSetup): Promise<Part> {
  const expected = dearOrders(events)
  return {
    async round() {
      const found = `${file}.found`
      const out = openSync(found, 'w')
      const started = performance.now()
      const jq = spawn('jq', ['-c', `select(.data.price >= ${leastPrice})`, file], {
        stdio: ['ignore', out, 2],
      })
      const [code] = await once(jq, 'exit')
      const ms = performance.now() - started
      closeSync(out)
      if (code !== 0) throw new Error(`jq ended with ${code}`)
      const lines = readFileSync(found).reduce((count, byte) => count + Number(byte === newline), 0)
      requireCount('lines', { found: lines, expected })
      await rm(found)
      return { events, ms }
    },
    async close() {},
  }
}
