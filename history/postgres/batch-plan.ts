/**
 * What of a batch is recorded, and under which identities: duplicates left out, an id that is used again for
 * another body made an identity of its own.
 *
 * Made without asking the database, as most batches have no duplicate; where that turns out to be wrong, made
 * again with what the history has of these identities.
 */
import { hash } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import { Checksum, encodeProperties, sequenceHeader, sequenceOf } from '../../events/index.ts'
import { erasureOf, packedSequence, packProperties, packRecorded } from '../packed-properties.ts'
import type { RecordedEvent } from '../stored-event.ts'
import type { NewEvent } from '../writer.ts'
import { type EventKey, eventKey } from './event-key.ts'

/** An event with what the history adds; its position is its place in the plan. */
export interface PlannedEvent extends EventKey {
  readonly event: NewEvent
  readonly id: string
  /** In milliseconds since 1970. */
  readonly recordedAt: number
  readonly unidentified: boolean
  readonly properties: string
}

/** A number that was spent on a duplicate; see `HistoryReader.spentSequences`. */
export interface Spent {
  readonly source: string
  readonly epoch: string
  readonly sequence: number
  /** The highest position when it came. */
  readonly position: number
}

export interface BatchPlan {
  readonly events: readonly PlannedEvent[]
  readonly spent: readonly Spent[]
  readonly duplicates: number
  readonly conflicts: number
  readonly unidentified: number
  /** Of the history with these events. */
  readonly checksum: string
}

/** What a recorded event has that another of its identity is compared with. */
export interface Recorded {
  readonly position: number
  /** Of the body, in hexadecimal; undefined where that is gone. */
  readonly bodyHash: string | undefined
  readonly properties: string
}

/** @param known - By key, what of these events the history has. */
export function planBatch(
  batch: readonly NewEvent[],
  {
    head,
    checksum: before,
    recordedAt,
    known,
  }: { head: number; checksum: string; recordedAt: number; known: ReadonlyMap<string, Recorded> },
): BatchPlan {
  const events: PlannedEvent[] = []
  const taken = new Map<string, PlannedEvent>()
  const spent: Spent[] = []
  const checksum = new Checksum(before)
  let conflicts = 0
  let unidentified = 0
  const add = (event: NewEvent, key: EventKey, id: string, isUnidentified: boolean) => {
    const planned = plannedEvent(event, { ...key, id, recordedAt, unidentified: isUnidentified })
    events.push(planned)
    taken.set(key.key, planned)
    checksum.add(event.source, id)
    if (isUnidentified) unidentified += 1
  }
  for (const event of batch) {
    const { source, id } = event
    if (id === undefined) {
      const own = `unidentified:${uuidv7()}`
      add(event, eventKey({ source, id: own }), own, true)
      continue
    }
    const key = eventKey({ source, id })
    const earlier = taken.get(key.key)
    const recorded = earlier ? recordedFrom(earlier) : known.get(key.key)
    if (recorded === undefined) {
      add(event, key, id, false)
    } else if (isSameBody(event, recorded)) {
      const number = spentNumber(event, recorded)
      if (number !== undefined) spent.push({ ...number, source, position: head + events.length })
    } else {
      const again = idOfAgain(event, id)
      const againKey = eventKey({ source, id: again })
      if (taken.has(againKey.key) || known.has(againKey.key)) continue
      add(event, againKey, again, true)
      conflicts += 1
    }
  }
  const duplicates = batch.length - events.length
  return { events, spent, duplicates, conflicts, unidentified, checksum: checksum.toString() }
}

/** What is imported is recorded as it was, whatever there is: none of it is a duplicate. */
export function planImport(batch: readonly RecordedEvent[], before: string): BatchPlan {
  const checksum = new Checksum(before)
  const events = batch.map((event) => {
    const { id, source, unidentified } = event
    checksum.add(source, id)
    const recordedAt = event.recordedAt.getTime()
    const properties = packRecorded(event)
    return { event, ...eventKey({ source, id }), id, recordedAt, unidentified, properties }
  })
  const unidentified = events.filter((event) => event.unidentified).length
  return { events, spent: [], duplicates: 0, conflicts: 0, unidentified, checksum: checksum.toString() }
}

function plannedEvent(
  event: NewEvent,
  added: EventKey & { readonly id: string; readonly recordedAt: number; readonly unidentified: boolean },
): PlannedEvent {
  const { properties } = event.message
  return {
    event,
    ...added,
    properties: added.unidentified ? encodeProperties(properties) : packProperties(event),
  }
}

/** All keys by which the history may have events of a batch. */
export function keysOf(batch: readonly NewEvent[]): EventKey[] {
  return batch.flatMap((event) => {
    const { source, id } = event
    if (id === undefined) return []
    return [eventKey({ source, id }), eventKey({ source, id: idOfAgain(event, id) })]
  })
}

/** The same (source, id) with another body is another event, each time with the same id of its own. */
function idOfAgain({ message }: NewEvent, id: string): string {
  return `${id} again:${hash('sha256', message.body, 'base64url')}`
}

function recordedFrom({ event, properties }: PlannedEvent): Omit<Recorded, 'position'> {
  return { bodyHash: hash('sha256', event.message.body), properties }
}

/** Of an erased event its identity alone tells that it came before, and it stays erased. */
function isSameBody(
  { message }: NewEvent,
  { bodyHash, properties }: Pick<Recorded, 'bodyHash' | 'properties'>,
): boolean {
  return (
    bodyHash === undefined || erasureOf(properties) !== undefined || hash('sha256', message.body) === bodyHash
  )
}

/** A duplicate that was published again has a number of its own, which is spent with it. */
function spentNumber({ message }: NewEvent, { properties }: Pick<Recorded, 'properties'>) {
  const stated = sequenceOf(message.properties)
  const isSame = message.properties.headers?.[sequenceHeader] === packedSequence(properties)
  return isSame ? undefined : stated
}
