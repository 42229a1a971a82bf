/**
 * Events of a history as lines: one CloudEvent in JSON a line, or blocks of rows (row-blocks.ts).
 *
 * The last line of a whole answer is a mark, `{"through":…,"first":…,"head":…}`: every position up to
 * `through` was looked at, so a reader whose filter let nothing through goes on behind it, and one whose
 * answer has no mark knows that it was cut off. An error after the first line is a line too,
 * `{"problem":…}`. Where it follows the history there is a mark whenever it has caught up, and a blank line
 * when nothing came for a while.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { HistoryError } from '../errors.ts'
import { eventLine } from '../event-line.ts'
import type { HistoryReader } from '../reader.ts'
import type { StoredEvent } from '../stored-event.ts'
import { Gone, type StreamedAnswer } from './answer.ts'
import { problemOf } from './problem.ts'
import { columnsLine, rowBlock } from './row-blocks.ts'
import type { ServedHistory } from './served-histories.ts'
import { Walk, type WalkOptions } from './walk.ts'

export interface EventsQuery extends WalkOptions {
  /** Goes on with what comes. */
  readonly follow: boolean
  /** Ends early, where it has become large or has searched long: the reader asks for the next page. */
  readonly page: boolean
}

export interface EventStreamOptions {
  readonly history: ServedHistory
  readonly query: EventsQuery
  readonly asRows: boolean
  readonly keepAliveMs: number
  /** Aborted when the answer is to end in good order. */
  readonly ended: AbortSignal
  /** Whether whoever reads may still. */
  isGranted(): boolean
  onEvents(count: number): void
  /** Begins the answer. */
  open(): StreamedAnswer
}

/** @throws What keeps the events from being read; where some were sent, the reader was told too. */
export async function streamEvents(options: EventStreamOptions): Promise<void> {
  const { history, query, open } = options
  const bounds = await history.reader.bounds()
  // What does not follow ends at the head that it found, however fast the history grows.
  const upTo = query.follow ? query.upTo : Math.min(query.upTo, bounds.head)
  const walk = new Walk(history.reader, { ...query, upTo })
  await walk.begin(history.pageSize.value)
  const answer = open()
  try {
    await send(answer, walk, { ...options, bounds })
  } catch (error) {
    if (error instanceof Gone) return
    await answer.write(`${JSON.stringify({ problem: problemOf(error) })}\n`).catch(() => {})
    throw error
  } finally {
    answer.end()
  }
}

type Bounds = Awaited<ReturnType<HistoryReader['bounds']>>

interface Sending extends EventStreamOptions {
  readonly bounds: Bounds
}

async function send(answer: StreamedAnswer, walk: Walk, options: Sending): Promise<void> {
  const { history, query, asRows, keepAliveMs, ended, isGranted, onEvents } = options
  const startedAt = performance.now()
  let { bounds } = options
  if (asRows) await answer.write(columnsLine)
  for (let marked: number | undefined; ; ) {
    // While a slow reader is waited for, the events are not to be held beside their piece.
    const { piece, events } = pieceOf(await walk.next(history.pageSize.value), { asRows })
    if (events > 0) {
      history.pageSize.note({ events, length: piece.length })
      await answer.write(piece)
      onEvents(events)
    }
    if (walk.isDone || ended.aborted || !isGranted()) break
    if (query.page && (isLong(answer, { startedAt }) || (query.filter === undefined && walk.isShort))) break
    if (walk.isAtEnd) {
      if (!query.follow) break
      const before = bounds.head
      bounds = await history.reader.bounds()
      if (bounds.head < before) throw replaced(before, bounds)
      if (marked !== walk.through) {
        marked = walk.through
        await answer.write(markLine(walk, bounds))
        answer.flush()
      }
      await history.watch.above(walk.through, { timeoutMs: keepAliveMs, signal: ended })
    }
    await answer.keepAlive(keepAliveMs)
    // SQLite answers without leaving this turn: other readers need one of their own.
    await nextTurn()
  }
  await answer.write(markLine(walk, bounds))
}

function pieceOf(
  events: readonly StoredEvent[],
  { asRows }: { asRows: boolean },
): { piece: Buffer; events: number } {
  if (asRows) return { piece: rowBlock(events), events: events.length }
  let text = ''
  // A line is for whoever takes what is in it; rows tell of the others too.
  for (const event of events) if (event.superseded !== true) text += `${eventLine(event)}\n`
  return { piece: Buffer.from(text), events: events.length }
}

/** What would come next is behind positions that the reader has from another history. */
function replaced(before: number, { head }: Bounds): HistoryError {
  return new HistoryError(
    'HISTORY_REPLACED',
    `The history had ${before} events and has ${head}: it was deleted or replaced. Begin again from the first`,
  )
}

function markLine({ through }: Walk, { first, head }: Bounds): string {
  return `${JSON.stringify({ through, first, head })}\n`
}

/** Longer, in bytes or in time, than a page is to be. */
function isLong({ sent }: StreamedAnswer, { startedAt }: { startedAt: number }): boolean {
  return sent >= pageLengthMax || performance.now() - startedAt >= pageTimeMs
}

const pageLengthMax = 16 * 1024 * 1024
const pageTimeMs = 1_000
