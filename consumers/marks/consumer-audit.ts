/**
 * The audit of a consumer: which positions below its cursor it has never taken in, one by one.
 *
 * The certificate tells whether something is wrong, by count and checksum; the bits of the passed positions
 * (applied-blocks.ts) tell what. The repair takes the cursor back to before the first missing one, puts
 * what was applied behind it into the inbox, and lets the consumer begin at step 1 of the hand-over: the
 * missing ones are replayed, the others recognised.
 */
import type { Identity } from '../../events/index.ts'
import type { HistoryReader } from '../../history/index.ts'
import { checkBounds } from '../bounds.ts'
import { type Certificate, certify } from '../certificate.ts'
import { ConsumerError } from '../errors.ts'
import { blockOf, missingOf, positionsABlock } from './applied-blocks.ts'
import type { ConsumerMarks, MarksTransaction } from './consumer-marks.ts'

export interface MissingEvent {
  readonly position: number
  /** Undefined, as `id` and `type` are, where the history does not hold it any more either. */
  readonly source: string | undefined
  readonly id: string | undefined
  readonly type: string | undefined
  readonly subject: string | undefined
}

export interface ConsumerAudit {
  readonly certificate: Certificate
  readonly missing: {
    readonly count: number
    /** The first thousand, in position order. */
    readonly events: readonly MissingEvent[]
  }
  /** Events applied from the live queue that the history does not have: not yet, or never. */
  readonly unrecorded: { readonly count: number; readonly events: readonly Identity[] }
  /** Whether nothing was found: complete, and nothing is missing. */
  readonly clean: boolean
}

const listedMax = 1_000
const pageLimit = 1_000

/**
 * Compares what a consumer has taken in with a history.
 *
 * @param marks - The consumer's, as `openConsumerMarks` opens them.
 * @param options.onProgress - Told how far the positions up to the cursor are looked at.
 * @throws ConsumerError `CONSUMER_AHEAD` where the cursor is above the history's head; HistoryError.
 */
export async function auditConsumer(
  marks: ConsumerMarks,
  history: HistoryReader,
  {
    onProgress,
    signal,
  }: {
    onProgress?: (progress: { readonly position: number; readonly cursor: number }) => void
    signal?: AbortSignal
  } = {},
): Promise<ConsumerAudit> {
  return await marks.read(async (transaction) => {
    const snapshot = await transaction.snapshot()
    const { consumer, exchange, state, waiting, counts } = snapshot
    const { cursor } = state
    requireNotAhead(consumer, cursor, (await history.bounds()).head)
    const missing: number[] = []
    let count = 0
    for await (const positions of missingPages(transaction, cursor)) {
      signal?.throwIfAborted()
      count += positions.missing.length
      missing.push(...positions.missing.slice(0, listedMax - missing.length))
      onProgress?.({ position: positions.upTo, cursor })
    }
    const certificate = await certify({ consumer, exchange, state, waiting, counts }, history)
    const recorded = await history.positionsOf(waiting)
    const unrecorded = waiting.filter((_identity, index) => recorded[index] === undefined)
    return {
      certificate,
      missing: { count, events: await eventsAt(history, missing) },
      unrecorded: { count: unrecorded.length, events: unrecorded.slice(0, listedMax) },
      clean: certificate.complete && count === 0,
    }
  })
}

/**
 * Takes the cursor of a consumer back to before the first position that it has missed. A running consumer
 * begins again there at once; one that does not run, when it is started.
 *
 * @returns The new cursor, undefined where nothing is missing: then nothing is changed.
 * @throws ConsumerError `CONSUMER_STORE_UNAVAILABLE`, `CONSUMER_AHEAD`; `CONSUMER_HISTORY_TRUNCATED` where
 *   the history does not hold that position any more; HistoryError.
 */
export async function repairConsumer(
  marks: ConsumerMarks,
  history: HistoryReader,
): Promise<number | undefined> {
  return await marks.write(async (transaction) => {
    const { consumer, state } = await transaction.snapshot()
    const { cursor } = state
    const bounds = await history.bounds()
    requireNotAhead(consumer, cursor, bounds.head)
    const first = await firstMissing(transaction, cursor)
    if (first === undefined) return undefined
    // With that cursor it would be refused at its next start, and nothing would be mended.
    checkBounds(consumer, first - 1, bounds)
    for (let after = first - 1; after < cursor; ) {
      const page = await history.identities({ after, upTo: cursor, limit: pageLimit })
      const last = page.at(-1)
      if (last === undefined) break
      const missing = new Set(await missingBetween(transaction, after + 1, last.position))
      await transaction.putIntoInbox(page.filter(({ position }) => !missing.has(position)))
      // Remembered or not: what is not applied must not be taken for it.
      await transaction.takeFromInbox(page.filter(({ position }) => missing.has(position)))
      after = last.position
    }
    await transaction.goBack(first - 1)
    return first - 1
  })
}

function requireNotAhead(consumer: string, cursor: number, head: number): void {
  if (cursor <= head) return
  throw new ConsumerError(
    'CONSUMER_AHEAD',
    `Consumer ${consumer} has applied up to position ${cursor}, but the history ends at ${head}: it is another one, or was restored from a backup. Name the right history`,
  )
}

async function* missingPages(
  transaction: MarksTransaction,
  cursor: number,
): AsyncGenerator<{ readonly missing: number[]; readonly upTo: number }> {
  for (let block = 0; cursor > 0 && block <= blockOf(cursor); block++) {
    const missing = missingOf(block, await transaction.bits(block), { from: 1, to: cursor })
    yield { missing, upTo: Math.min((block + 1) * positionsABlock, cursor) }
  }
}

async function firstMissing(transaction: MarksTransaction, cursor: number): Promise<number | undefined> {
  for await (const { missing } of missingPages(transaction, cursor)) if (missing.length > 0) return missing[0]
  return undefined
}

async function missingBetween(transaction: MarksTransaction, from: number, to: number): Promise<number[]> {
  const missing: number[] = []
  for (let block = blockOf(from); block <= blockOf(to); block++)
    missing.push(...missingOf(block, await transaction.bits(block), { from, to }))
  return missing
}

async function eventsAt(history: HistoryReader, positions: readonly number[]): Promise<MissingEvent[]> {
  const events: MissingEvent[] = []
  for (const position of positions) {
    const { source, id, type, subject } = (await history.at(position)) ?? gone
    events.push({ position, source, id, type, subject })
  }
  return events
}

const gone = { source: undefined, id: undefined, type: undefined, subject: undefined }
