/** A source and an action in memory, for the tests of what goes on between them. */
import type { Action, Outcome, PlannedWrite } from './action.ts'
import { JsonEvent } from './json-event.ts'
import type { ReplayEvent } from './replay-event.ts'
import type { Source, SourcePage } from './source.ts'

export interface Order {
  readonly id: string
  readonly subject?: string
}

/** Events of the same key rise by 1: `a` 0, 1, 2 … */
export function ordersOf(count: number, { keys }: { keys: number }): Order[] {
  return Array.from({ length: count }, (_, at) => ({ id: String(at + 1), subject: `k${at % keys}` }))
}

/** @param texts - Values are said in JSON; texts stand as they are. */
export function listSource(
  texts: readonly unknown[],
  { pageEvents = 7 }: { pageEvents?: number } = {},
): Source & { readonly closed: () => number; readonly settled: string[] } {
  const lines = texts.map((one) => (typeof one === 'string' ? one : JSON.stringify(one)))
  const origin = { placeOf: (position: number) => `event ${position}`, tokenOf: String }
  let closed = 0
  const settled: string[] = []
  return {
    name: 'a list',
    settled,
    closed: () => closed,
    async open() {
      return { events: lines.length }
    },
    async *read({ after, signal }): AsyncGenerator<SourcePage> {
      for (let at = Number(after ?? 0); at < lines.length && !signal.aborted; at += pageEvents) {
        const page = lines.slice(at, at + pageEvents)
        yield { events: page.map((line, n) => new JsonEvent(line, at + n + 1, origin)), bytes: at }
      }
    },
    async settle(token) {
      settled.push(token)
    },
    async close() {
      closed += 1
    },
  }
}

export interface Recording extends Action<ReplayEvent> {
  /** The ids that were done, in the order in which they were. */
  readonly done: string[]
  readonly batches: string[][]
  readonly calls: { opened: number; closed: number; acted: number }
}

/** Each is a list of its own. */
let lists = 0

/** An action that keeps what it is given; `answer` says what comes of an event. */
export function recordingAction({
  answer = async () => 'done',
  refuse,
  batchMax = 1,
  stopsAtFailure = false,
}: {
  answer?: (id: string, event: ReplayEvent) => Promise<Outcome>
  /** What `prepare` throws for an event. */
  refuse?: (event: ReplayEvent) => Error | undefined
  batchMax?: number
  stopsAtFailure?: boolean
} = {}): Recording {
  const done: string[] = []
  const batches: string[][] = []
  const calls = { opened: 0, closed: 0, acted: 0 }
  return {
    name: 'a list',
    target: `list ${++lists}`,
    isLocal: true,
    isIdempotent: true,
    batchMax,
    stopsAtFailure,
    done,
    batches,
    calls,
    prepare(event) {
      const error = refuse?.(event)
      if (error !== undefined) throw error
      return event
    },
    describe: (event): PlannedWrite => ({ kind: 'text', to: 'a list', text: event.text }),
    async open() {
      calls.opened += 1
    },
    async act(batch) {
      calls.acted += 1
      batches.push(batch.map((event) => event.attributes.id!))
      const outcomes: Outcome[] = []
      for (const event of batch) {
        const id = event.attributes.id!
        const outcome = await answer(id, event)
        outcomes.push(outcome)
        if (outcome === 'done') done.push(id)
        else if (stopsAtFailure && outcome !== 'skipped') break
      }
      return outcomes
    },
    async close() {
      calls.closed += 1
    },
  }
}
