/** The status and the certificate of a consumer with partitions: the sums of those of its partitions. */
import { Checksum } from '../../events/index.ts'
import type { Certificate } from '../certificate.ts'
import type { ConsumerStatus } from '../consumer-status.ts'

interface Whole {
  readonly consumer: string
  readonly exchange: string
}

/** `live` where all that this process works on are; waiting for the store where it works on none. */
export function wholeStatus(whole: Whole, parts: readonly ConsumerStatus[]): ConsumerStatus {
  const sum = (read: (part: ConsumerStatus) => number) => total(parts, read)
  const inHand = parts.filter(({ waitingFor, phase }) => waitingFor !== 'store' || phase !== 'stopped')
  const failed = parts.filter((part) => part.lastErrorAt !== undefined)
  const newest = failed.toSorted((a, b) => b.lastErrorAt!.getTime() - a.lastErrorAt!.getTime())[0]
  const { bounds, counts } = parts[0]!.batchSizes
  return {
    ...whole,
    phase: phaseOf(inHand),
    waitingFor:
      inHand.length === 0 ? 'store' : inHand.find(({ waitingFor }) => waitingFor !== undefined)?.waitingFor,
    cursor: sum(({ cursor }) => cursor),
    head: sum(({ head }) => head),
    lag: sum(({ lag }) => lag),
    lagSeconds: Math.max(...parts.map(({ lagSeconds }) => lagSeconds)),
    applied: sum(({ applied }) => applied),
    replayed: sum(({ replayed }) => replayed),
    live: sum(({ live }) => live),
    duplicates: sum(({ duplicates }) => duplicates),
    parked: sum(({ parked }) => parked),
    parkedReactions: sum(({ parkedReactions }) => parkedReactions),
    discarded: sum(({ discarded }) => discarded),
    repairs: sum(({ repairs }) => repairs),
    reconnects: sum(({ reconnects }) => reconnects),
    batchSizes: {
      bounds,
      counts: counts.map((_count, index) => sum(({ batchSizes }) => batchSizes.counts[index]!)),
      sum: sum(({ batchSizes }) => batchSizes.sum),
    },
    lastError: newest?.lastError,
    lastErrorAt: newest?.lastErrorAt,
  }
}

function phaseOf(inHand: readonly ConsumerStatus[]): ConsumerStatus['phase'] {
  const phases = new Set(inHand.map(({ phase }) => phase))
  if (phases.has('replaying')) return 'replaying'
  return phases.size === 1 && phases.has('live') ? 'live' : 'stopped'
}

/** Complete, and level, where all are. The checksums are sums, and so is their sum. */
export function wholeCertificate(whole: Whole, parts: readonly Certificate[]): Certificate {
  const sum = (read: (part: Certificate) => number) => total(parts, read)
  return {
    ...whole,
    cursor: sum(({ cursor }) => cursor),
    head: sum(({ head }) => head),
    applied: sum(({ applied }) => applied),
    parked: sum(({ parked }) => parked),
    discarded: sum(({ discarded }) => discarded),
    pruned: sum(({ pruned }) => pruned),
    erased: sum(({ erased }) => erased),
    superseded: sum(({ superseded }) => superseded),
    beyond: sum(({ beyond }) => beyond),
    unidentified: sum(({ unidentified }) => unidentified),
    checksum: checksumOf(parts.map(({ checksum }) => checksum)),
    history: {
      count: sum(({ history }) => history.count),
      checksum: checksumOf(parts.map(({ history }) => history.checksum)),
      unidentified: sum(({ history }) => history.unidentified),
    },
    complete: parts.every(({ complete }) => complete),
    level: parts.every(({ level }) => level),
    partitions: parts,
  }
}

function checksumOf(parts: readonly string[]): string {
  const checksum = new Checksum()
  for (const part of parts) checksum.addAll(part)
  return checksum.toString()
}

function total<Part>(parts: readonly Part[], read: (part: Part) => number): number {
  return parts.reduce((sum, part) => sum + read(part), 0)
}
