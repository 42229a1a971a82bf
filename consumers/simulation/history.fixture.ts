/**
 * A history in memory, with its recorder: the only writer, in batches that are atomic, acknowledged
 * after they are written. A recorder that dies in between is handed the same entries again.
 */
import { Checksum, type CloudEvent } from '../../events/index.ts'
import type { HistorySummary, StoredEvent } from '../../history/index.ts'
import type { Entry, SimEvent, SimQueue, Subscriber } from './queue.fixture.ts'
import type { Random } from './random.fixture.ts'
import type { Timeline } from './timeline.fixture.ts'

export class SimHistory {
  readonly events: StoredEvent<string, SimEvent>[] = []
  /** The lowest position still held; above 1 where the rest was removed. */
  first = 1
  readonly #positions = new Map<string, number>()
  readonly #fences = new Map<string, number>()
  /** Messages without identity, known again by their place in the queue. */
  readonly #seen = new WeakSet<Entry>()

  get head(): number {
    return this.events.length
  }

  append(entries: readonly Entry[], now: number): void {
    for (const entry of entries) {
      const { event, fence } = entry.packet
      if (event !== undefined) this.#record(event, entry, now)
      else if (!this.#fences.has(fence)) this.#fences.set(fence, this.head)
    }
  }

  positionOf(source: string, id: string): number | undefined {
    return this.#positions.get(`${source}\0${id}`)
  }

  fence(id: string): number | undefined {
    return this.#fences.get(id)
  }

  page(after: number, upTo: number, limit: number): StoredEvent<string, SimEvent>[] {
    const from = Math.max(after, this.first - 1)
    return this.events.slice(from, Math.min(upTo, from + limit))
  }

  summary(upTo: number): HistorySummary {
    const checksum = new Checksum()
    let unidentified = 0
    const events = this.events.slice(0, upTo)
    for (const event of events) {
      checksum.add(event.source, event.id)
      if (event.unidentified) unidentified += 1
    }
    return { position: events.length, count: events.length, checksum: checksum.toString(), unidentified }
  }

  #record(event: SimEvent, entry: Entry, now: number): void {
    if (event.id === undefined) {
      if (this.#seen.has(entry)) return
      this.#seen.add(entry)
    } else if (this.positionOf(event.source, event.id) !== undefined) return
    const position = this.head + 1
    const id = event.id ?? `unidentified:${position}`
    this.#positions.set(`${event.source}\0${id}`, position)
    const isUnidentified = event.id === undefined
    this.events.push({
      ...cloudEventOf(event, id),
      position,
      unidentified: isUnidentified,
      recordedAt: new Date(now),
    })
  }
}

const message = { exchange: 'simulated', routingKey: '', properties: {}, body: Buffer.alloc(0) }

/** The publishers' clocks go backwards: nothing may go by them. */
export function cloudEventOf(event: SimEvent, id: string): CloudEvent<string, SimEvent> {
  const time = new Date(1_800_000_000_000 - event.number * 1_000).toISOString()
  return {
    id,
    source: event.source,
    type: 'simulated',
    subject: undefined,
    time,
    dataschema: undefined,
    data: event,
    message,
  }
}

export interface RecorderOptions {
  readonly timeline: Timeline
  readonly random: Random
  readonly queue: SimQueue
  readonly history: SimHistory
  readonly batchMax: number
  /** Longest time of a write, and of an acknowledgement, in milliseconds. */
  readonly workMsMax: number
}

export class SimRecorder implements Subscriber {
  readonly prefetch = 2_000
  readonly #options: RecorderOptions
  #held: { deliveryTag: number; entry: Entry }[] = []
  #isBusy = false
  /** Of the recorder's life; what one life has begun, the next does not go on with. */
  #life = 0
  #pausedUntil = 0
  #diesAfterCommit = false

  constructor(options: RecorderOptions) {
    this.#options = options
    options.queue.subscribe(this)
  }

  deliver(deliveryTag: number, entry: Entry): void {
    this.#held.push({ deliveryTag, entry })
    this.#work()
  }

  cancel(): void {}

  pause(ms: number): void {
    const { timeline } = this.#options
    this.#pausedUntil = Math.max(this.#pausedUntil, timeline.now() + ms)
    timeline.after(ms, () => this.#work())
  }

  /** Dies now, or the next time between its commit and its acknowledgement, and comes back. */
  crash({ afterCommit }: { afterCommit: boolean }): void {
    if (afterCommit) this.#diesAfterCommit = true
    else this.#restart()
  }

  #restart(): void {
    const { queue } = this.#options
    this.#diesAfterCommit = false
    this.#life += 1
    this.#held = []
    this.#isBusy = false
    queue.release(this)
    queue.subscribe(this)
  }

  #work(): void {
    const { timeline, random, workMsMax } = this.#options
    if (this.#isBusy || this.#held.length === 0 || timeline.now() < this.#pausedUntil) return
    this.#isBusy = true
    const life = this.#life
    timeline.after(random.upTo(workMsMax), () => {
      if (life === this.#life) this.#write(life)
    })
  }

  #write(life: number): void {
    const { timeline, random, queue, history, workMsMax } = this.#options
    const batch = this.#held.splice(0, this.#batchLength())
    history.append(
      batch.map(({ entry }) => entry),
      timeline.now(),
    )
    if (this.#diesAfterCommit) this.#restart()
    else {
      timeline.after(random.upTo(workMsMax), () => {
        if (life !== this.#life) return
        queue.acknowledge(this, batch.at(-1)!.deliveryTag)
        this.#isBusy = false
        this.#work()
      })
    }
  }

  /** A fence ends its batch. */
  #batchLength(): number {
    const fence = this.#held.findIndex(({ entry }) => entry.packet.fence !== undefined)
    return Math.min(this.#options.batchMax, fence === -1 ? this.#held.length : fence + 1)
  }
}
