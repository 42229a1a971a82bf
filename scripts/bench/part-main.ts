/**
 * The process of one part: opens it, then runs a round whenever the parent asks for one.
 *
 * Arguments: the part's name, and its setup as JSON. It ends when it is closed, or with its parent.
 */
import type { Part, Round } from './part.ts'
import type { Answer, Order } from './part-process.ts'
import { type PartName, parts } from './parts.ts'

let part: Part | undefined

const obey: Record<Order, () => Promise<Round | undefined>> = {
  async open() {
    const [name, setup] = process.argv.slice(2) as [PartName, string]
    const { open } = (await parts[name]()) as { open(setup: unknown): Promise<Part> }
    part = await open(JSON.parse(setup))
    return undefined
  },
  async round() {
    // What one round leaves behind is not to be paid for in the next.
    globalThis.gc?.()
    const before = process.cpuUsage()
    const timing = await part!.round()
    const { user, system } = process.cpuUsage(before)
    const { maxRSS: residentKiB } = process.resourceUsage()
    return { ...timing, cpuMs: (user + system) / 1_000, residentMiB: Math.round(residentKiB / 1_024) }
  },
  async close() {
    await part?.close()
    return undefined
  },
}

async function answer(order: Order): Promise<void> {
  const message = await obey[order]().then(
    (round): Answer => ({ round }),
    (error: Error): Answer => ({ failed: error.stack ?? error.message }),
  )
  await new Promise((resolve) => process.send!(message, resolve))
  if (order === 'close') process.exit(0)
}

process.on('disconnect', () => process.exit(1))
process.on('message', (order: Order) => void answer(order))
