/**
 * Reads everything again that a history holds: whether it is there, is what was recorded, and can be read.
 *
 * The audit judges positions and checksums; this reads each event besides, as a consumer would, finds it
 * again by its identity, and compares it with another history's, byte for byte, where one is given.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isJsonType } from '../../events/index.ts'
import type { ChangedRange } from '../audit/checkpoint-audit.ts'
import { FindingList, type Findings } from '../audit/findings.ts'
import { auditHistory } from '../audit/history-audit.ts'
import type { RemovedRange } from '../audit/removed-events.ts'
import type { HistoryReader } from '../reader.ts'
import type { StoredEvent } from '../stored-event.ts'
import { differences } from './same-event.ts'

export interface HistoryVerification {
  readonly exchange: string
  readonly first: number
  readonly head: number
  /** Events held, from `first` to `head`. */
  readonly held: number
  /** Of the identities of all events up to `head`. */
  readonly checksum: string
  /** Positions that were recorded and are no longer there. */
  readonly removed: Findings<RemovedRange>
  /** Positions whose identities are not the ones that were recorded. */
  readonly changed: Findings<ChangedRange>
  /** Events whose properties cannot be read. */
  readonly unreadable: Findings<UnreadableEvent>
  /** Events that are not found by their identity, but at another position or nowhere. */
  readonly misplaced: Findings<MisplacedEvent>
  /** Events that the other history has not, or has otherwise. None where there is no other. */
  readonly different: Findings<DifferentEvent>
  /** No findings: bodies of others may be anything. */
  readonly notes: {
    /** Events that say they are JSON, and are not. */
    readonly notJson: Findings<{ readonly position: number }>
    /** Holes, late and repeated sequences, which `auditHistory` names: the publishers', not the history's. */
    readonly sequences: number
  }
  /** True without a finding; notes are none. */
  readonly clean: boolean
}

export interface UnreadableEvent {
  readonly position: number
  readonly reason: string
}

export interface MisplacedEvent {
  readonly position: number
  readonly source: string
  readonly id: string
  /** Where its identity leads. */
  readonly found: number | undefined
}

export interface DifferentEvent {
  readonly position: number
  /** Such as `body`; `missing` where the other history has no event there. */
  readonly in: readonly string[]
}

export interface VerifyOptions {
  /** Another history, to be the same event by event up to this one's head. */
  readonly against?: HistoryReader
  /** Called after each page of either of the two times that it is read. */
  readonly onProgress?: (progress: { readonly position: number; readonly upTo: number }) => void
  /** Ends it, rejecting with the signal's reason. */
  readonly signal?: AbortSignal
}

const pageEvents = 1_000

/** @throws HistoryError as the readers' methods do, where a history cannot be read at all. */
export async function verifyHistory(
  reader: HistoryReader,
  { against, onProgress, signal }: VerifyOptions = {},
): Promise<HistoryVerification> {
  const { exchange, first, head, held, removed, changed, holes, late, repeated } = await auditHistory(
    reader,
    {
      ...(signal !== undefined && { signal }),
      onProgress: ({ position, head }) => onProgress?.({ position, upTo: 2 * head }),
    },
  )
  const found = {
    unreadable: new FindingList<UnreadableEvent>(),
    misplaced: new FindingList<MisplacedEvent>(),
    different: new FindingList<DifferentEvent>(),
    notJson: new FindingList<{ readonly position: number }>(),
  }
  for (let after = first - 1; after < head; ) {
    signal?.throwIfAborted()
    // `select`, as it goes on behind a missing position; those were named above.
    const page = await reader.select({ filter: {}, after, upTo: head, limit: pageEvents })
    const { events, through } = page
    for (const event of events) lookInto(event, found)
    const positions = await reader.positionsOf(events)
    for (const [index, { position, source, id }] of events.entries()) {
      const at = positions[index]
      if (at !== position) found.misplaced.add({ position, source, id, found: at })
    }
    if (against !== undefined) await compare(events, against, found.different)
    after = through > after ? through : head
    onProgress?.({ position: head + after, upTo: 2 * head })
    await nextTurn()
  }
  const { unreadable, misplaced, different, notJson } = found
  const findings = [removed, changed, unreadable.findings, misplaced.findings, different.findings]
  return {
    exchange,
    first,
    head,
    held,
    checksum: (await reader.summary({ upTo: head })).checksum,
    removed,
    changed,
    unreadable: unreadable.findings,
    misplaced: misplaced.findings,
    different: different.findings,
    notes: { notJson: notJson.findings, sequences: holes.count + late.count + repeated.count },
    clean: findings.every(({ count }) => count === 0),
  }
}

function lookInto(
  event: StoredEvent,
  {
    unreadable,
    notJson,
  }: {
    readonly unreadable: FindingList<UnreadableEvent>
    readonly notJson: FindingList<{ readonly position: number }>
  },
): void {
  const { position } = event
  try {
    const { contentType } = event.message.properties
    if (contentType === undefined || !isJsonType(contentType)) return
  } catch (error) {
    unreadable.add({ position, reason: (error as Error).message })
    return
  }
  try {
    // As a consumer would.
    void event.data
  } catch {
    notJson.add({ position })
  }
}

async function compare(
  events: readonly StoredEvent[],
  against: HistoryReader,
  different: FindingList<DifferentEvent>,
): Promise<void> {
  const [first, last] = [events[0], events.at(-1)]
  if (first === undefined || last === undefined) return
  const others = new Map<number, StoredEvent>()
  for (let after = first.position - 1; after < last.position; ) {
    const page = await against.select({ filter: {}, after, upTo: last.position, limit: pageEvents })
    for (const event of page.events) others.set(event.position, event)
    if (page.through <= after) break
    after = page.through
  }
  for (const event of events) {
    const other = others.get(event.position)
    const differing = other === undefined ? ['missing'] : differencesOf(event, other)
    if (differing.length > 0) different.add({ position: event.position, in: differing })
  }
}

/** Properties that cannot be read are a finding, of this history or of the other. */
function differencesOf(event: StoredEvent, other: StoredEvent): string[] {
  try {
    return differences(event, other)
  } catch {
    return ['properties']
  }
}
