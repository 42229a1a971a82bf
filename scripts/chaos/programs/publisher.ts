/**
 * A publisher of a chaos run: events at a steady rate, in one source's order, until SIGTERM; then it waits
 * for its confirms. What the broker refuses it publishes again with the same id, as the error says.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { openPublisher, PublishError, type PublisherOptions } from '../../../index.ts'
import { subjectOf } from '../cast.ts'
import { LedgerWriter, readLedger } from '../ledger.ts'
import { logger, programOptions, runProgram } from './program.ts'

const {
  ledger: path,
  perSecond,
  resends,
  ...options
} = programOptions<
  PublisherOptions & {
    /** Path of its ledger. */
    ledger: string
    perSecond: number
    /** Whether it publishes again what was not confirmed when it was killed. */
    resends: boolean
  }
>()
const tickMs = 10
/** A queue that is gone or away takes its time. */
const retryMs = 250
const before = await readLedger(path)
const ledger = new LedgerWriter(path)
const publisher = openPublisher({ ...options, logger })
let confirmed = 0
let isStopping = false

async function publish(id: string): Promise<void> {
  try {
    await publisher.publish({
      type: 'order.placed',
      subject: subjectOf(id),
      id,
      data: { id },
    })
    confirmed += 1
    ledger.confirm(id)
  } catch (error) {
    const { code } = error as PublishError
    if (!(error instanceof PublishError) || !retried.includes(code)) throw error
    ledger.again(id)
    await sleep(retryMs)
    await publish(id)
  }
}

const retried = ['PUBLISH_NACKED', 'PUBLISH_UNROUTABLE', 'PUBLISH_TIMEOUT']

async function run(): Promise<void> {
  const inFlight = new Set<Promise<void>>()
  const failed = new Promise<never>((_resolve, reject) => {
    onFailure = reject
  })
  failed.catch(() => {})
  const send = (ids: readonly string[]) => {
    ledger.begin(ids)
    for (const id of ids) {
      const settled: Promise<void> = publish(id)
        .catch(onFailure)
        .finally(() => inFlight.delete(settled))
      inFlight.add(settled)
    }
  }
  if (resends) {
    const open = before.begun.filter((id) => !before.confirmed.has(id))
    send(open)
  }
  const startedAt = Date.now()
  const first = before.begun.length + 1
  for (let next = first; !isStopping; ) {
    const due = first + Math.floor(((Date.now() - startedAt) / 1_000) * perSecond)
    const ids = Array.from({ length: Math.min(due - next, perSecond) }, (_, index) => `${next + index}`)
    send(ids)
    next += ids.length
    await Promise.race([publisher.room(), failed])
    await Promise.race([sleep(tickMs), failed])
  }
  await Promise.race([Promise.all(inFlight), failed])
  await publisher.close()
  ledger.close()
}

let onFailure: (error: unknown) => void = () => {}

await runProgram(async () => ({
  status: () => ({ confirmed, pending: publisher.pending }),
  async stop() {
    isStopping = true
  },
  ended: run(),
}))
