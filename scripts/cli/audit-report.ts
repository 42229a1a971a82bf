/** The findings of an audit for people. */
import type { Findings, HistoryAudit } from '../../history/index.ts'
import { count } from './progress.ts'
import { type Cell, listOf, Table } from './table.ts'

export function auditList(audit: HistoryAudit): string[] {
  const { exchange, first, head, held, judged, epochs, unjudged } = audit
  return listOf({
    exchange,
    positions: `${count(first)} to ${count(head)}`,
    held: `${count(held)} events`,
    judged: `${count(judged)} events of ${count(epochs.count)} ${epochs.count === 1 ? 'epoch' : 'epochs'}`,
    'not judged': unjudgedText(unjudged),
    removed: audit.removed.count,
    changed: audit.changed.count,
    holes: audit.holes.count,
    late: audit.late.count,
    repeated: audit.repeated.count,
    clean: audit.clean,
  })
}

const sourcesShown = 5

function unjudgedText({ count: events, sources }: HistoryAudit['unjudged']): string {
  if (events === 0) return '0 events'
  const shown = sources.slice(0, sourcesShown).map((one) => `${one.source} ${count(one.count)}`)
  return `${count(events)} events without a sequence: ${shown.join(', ')}${sources.length > sourcesShown ? ', …' : ''}`
}

/** A row for each finding that is listed; none where there is none. */
export function findingsTable({ removed, changed, holes, late, repeated }: HistoryAudit): string[] {
  const rows: Cell[][] = [
    ...removed.listed.flatMap(({ sequences, ...range }) =>
      (sequences.length === 0 ? [undefined] : sequences).map((known) => [
        'removed',
        rangeOf(range),
        known?.source,
        known?.epoch,
        known && rangeOf(known),
        'recorded, and no longer there',
      ]),
    ),
    ...changed.listed.map((range) => [
      'changed',
      rangeOf(range),
      undefined,
      undefined,
      undefined,
      'a source or id in this batch, or its checkpoint, is not the one recorded',
    ]),
    ...holes.listed.map(({ source, epoch, after, before, ...range }) => [
      'hole',
      after === undefined ? `before ${before}` : `between ${after} and ${before}`,
      source,
      epoch,
      rangeOf(range),
      'published, or tried to, and never recorded',
    ]),
    ...late.listed.map(({ source, epoch, sequence, position, highest, highestAt }) => [
      'late',
      String(position),
      source,
      epoch,
      String(sequence),
      `came after ${highest} at ${highestAt}`,
    ]),
    ...repeated.listed.map(({ source, epoch, sequence, position, id, firstAt, firstId }) => [
      'repeated',
      String(position),
      source,
      epoch,
      String(sequence),
      `id ${id}; at ${firstAt} it was id ${firstId}`,
    ]),
  ]
  if (rows.length === 0) return []
  const table = new Table(['finding', 'position', 'source', 'epoch', 'sequence', ''])
  const more = [removed, changed, holes, late, repeated].reduce((sum, kind) => sum + unlisted(kind), 0)
  return ['', ...table.page(rows), ...(more > 0 ? [`and ${count(more)} more`] : [])]
}

function rangeOf({ from, to }: { from: number; to: number }): string {
  return from === to ? String(from) : `${from} to ${to}`
}

function unlisted({ count: all, listed }: Findings<unknown>): number {
  return all - listed.length
}
