/**
 * What a replay has done so far, in figures: all that its report says, and that a checkpoint keeps.
 *
 * Its size does not grow with the events: types and causes beyond the first thousand are counted together.
 */

import type { PlannedWrite } from '../action.ts'
import type { FailureCause } from '../failure-cause.ts'
import type { ReplayEvent } from '../replay-event.ts'
import { OrderChecksum } from './order-checksum.ts'

/** Of events of a rule, or of one type among them. */
export interface Counts {
  matched: number
  acted: number
  skipped: number
  failed: number
  /** Left alone, since an event of the same key before them had failed. */
  held: number
}

export interface RuleTally extends Counts {
  readonly name: string
  readonly action: string
  readonly types: Record<string, Counts>
  /** Of a dry run: what would have been written for the first few. */
  readonly samples: { readonly place: string; readonly write: PlannedWrite }[]
}

/** Failures of one cause. */
export interface CauseTally extends Omit<FailureCause, 'attempts'> {
  events: number
  /** How many of each type; none where the events could not be read. */
  readonly types: Record<string, number>
  readonly examples: string[]
}

export interface EventMark {
  readonly position: number
  readonly time: string | undefined
}

/** As a checkpoint holds it. */
export interface TallyState {
  readonly read: number
  readonly picked: number
  readonly unreadable: number
  /** Events with at least one failure, the held ones included. */
  readonly failedEvents: number
  /** Of them those that failed in this pass, at least under one rule: neither held nor left. */
  readonly ownFailures: number
  readonly seconds: number
  readonly first: EventMark | undefined
  readonly last: EventMark | undefined
  readonly checksum: string
  readonly rules: readonly RuleTally[]
  readonly causes: readonly CauseTally[]
}

const typesMax = 1_000
const causesMax = 1_000
const causeTypesMax = 100
const examplesMax = 3
const samplesMax = 3
/** Where types or causes beyond the first thousand are counted. */
const others = '(others)'

export class Tally {
  read = 0
  /** By at least one rule. */
  picked = 0
  unreadable = 0
  failedEvents = 0
  ownFailures = 0
  readonly rules: readonly RuleTally[]
  #first: EventMark | undefined
  #last: EventMark | undefined
  readonly #causes = new Map<string, CauseTally>()
  readonly #checksum: OrderChecksum
  readonly #secondsBefore: number
  readonly #startedAt = performance.now()

  constructor(rules: readonly { readonly name: string; readonly action: string }[], state?: TallyState) {
    this.#checksum = new OrderChecksum(state?.checksum)
    this.#secondsBefore = state?.seconds ?? 0
    this.rules = rules.map(({ name, action }, at) => {
      const before = state?.rules[at]
      return { name, action, ...none(), samples: [], ...before, types: byType(before?.types) }
    })
    if (state === undefined) return
    this.read = state.read
    this.picked = state.picked
    this.unreadable = state.unreadable
    this.failedEvents = state.failedEvents
    this.ownFailures = state.ownFailures
    this.#first = state.first
    this.#last = state.last
    for (const cause of state.causes) {
      const key = cause.message === others ? others : keyOf(cause)
      this.#causes.set(key, { ...cause, types: byType(cause.types) })
    }
  }

  get state(): TallyState {
    const { read, picked, unreadable, failedEvents, ownFailures, rules } = this
    return {
      read,
      picked,
      unreadable,
      failedEvents,
      ownFailures,
      seconds: this.#secondsBefore + (performance.now() - this.#startedAt) / 1_000,
      first: this.#first,
      last: this.#last,
      checksum: this.#checksum.hex,
      rules,
      causes: [...this.#causes.values()],
    }
  }

  /** An event that at least one rule has picked, in the source's order. */
  pick(event: ReplayEvent): void {
    this.picked += 1
    const { id, source, time } = event.attributes
    const mark = { position: event.position, time }
    this.#first ??= mark
    this.#last = mark
    this.#checksum.add(id === undefined ? event.place : `${source ?? ''}\0${id}`)
  }

  count(rule: number, event: ReplayEvent, what: keyof Counts): void {
    const tally = this.rules[rule]!
    tally[what] += 1
    const type = event.attributes.type ?? ''
    let counts = tally.types[type]
    if (counts === undefined) {
      const key = Object.keys(tally.types).length < typesMax ? type : others
      counts = tally.types[key] ??= none()
    }
    counts[what] += 1
  }

  /** @param type - Undefined where the event could not be read. */
  fail(cause: FailureCause, { place, type }: { place: string; type: string | undefined }): void {
    const { attempts: _, ...what } = cause
    let key = keyOf(what)
    if (!this.#causes.has(key) && this.#causes.size >= causesMax) key = others
    let tally = this.#causes.get(key)
    if (tally === undefined) {
      tally = {
        ...what,
        ...(key === others && { message: others }),
        events: 0,
        types: byType(),
        examples: [],
      }
      this.#causes.set(key, tally)
    }
    tally.events += 1
    if (type !== undefined) {
      const known = type in tally.types || Object.keys(tally.types).length < causeTypesMax
      const name = known ? type : others
      tally.types[name] = (tally.types[name] ?? 0) + 1
    }
    if (tally.examples.length < examplesMax) tally.examples.push(place)
  }

  wantsSample(rule: number): boolean {
    return this.rules[rule]!.samples.length < samplesMax
  }

  sample(rule: number, place: string, write: PlannedWrite): void {
    this.rules[rule]!.samples.push({ place, write })
  }
}

function none(): Counts {
  return { matched: 0, acted: 0, skipped: 0, failed: 0, held: 0 }
}

/** Without a prototype: a type may be called `constructor`. */
function byType<Value>(values: Readonly<Record<string, Value>> = {}): Record<string, Value> {
  return Object.assign(Object.create(null), values)
}

/** Messages that differ in numbers or in what they quote are one cause, and those of held events, whatever their key. */
function keyOf({ rule, kind, code, message }: Omit<FailureCause, 'attempts'>): string {
  if (kind === 'held') return [rule ?? '', kind].join('\0')
  const shape = message.replace(/(["'`]).*?\1/g, '…').replace(/\d+/g, '0')
  return [rule ?? '', kind, code, shape].join('\0')
}
