/**
 * A row of the table: ours and its peers, measured in turns.
 *
 * They alternate round by round on the same machine and broker, after a round that does not count, so
 * that whatever slows the machine down for a while slows both.
 */
import type { Broker } from '../../broker/index.ts'
import type { Round } from './part.ts'
import { PartProcess } from './part-process.ts'
import type { PartName, SetupOf } from './parts.ts'
import { median, type Rates, type Ratio, ratesOf, ratioOf } from './statistics.ts'

export const rowNames = ['publish', 'relay', 'record', 'replay', 'bootstrap'] as const

export type RowName = (typeof rowNames)[number]

export interface Row {
  readonly name: RowName
  /** The path that it measures. */
  readonly path: string
  /** Events a round, by default and in a quick run. */
  readonly events: { readonly usual: number; readonly quick: number }
  prepare(bench: Bench): Promise<Contest>
}

export interface Contest {
  readonly ours: Contender
  readonly peers: readonly (Peer | Absent)[]
}

export interface Contender {
  readonly label: string
  run(): Promise<Round>
}

export interface Peer extends Contender {
  /** The least that ours is to reach of its speed; undefined where it is shown for comparison. */
  readonly target: number | undefined
}

/** A peer that cannot run here. */
export interface Absent {
  readonly label: string
  readonly target: number | undefined
  /** Why, and what to do about it. */
  readonly notRun: string
}

/** What a row is given. */
export interface Bench {
  readonly url: string
  readonly broker: Broker
  /** A temporary folder. */
  readonly folder: string
  readonly events: number
  /** Starts a part in a process of its own, which ends with the row. */
  start<Name extends PartName>(name: Name, setup: SetupOf<Name>): Promise<PartProcess>
  /** Does something at the row's end; the last one first. */
  atEnd(undo: () => Promise<unknown>): void
}

export interface RowResult {
  readonly row: RowName
  readonly path: string
  readonly events: number
  readonly ours: Measured
  readonly peers: readonly (PeerResult | Absent)[]
}

export interface Measured {
  readonly label: string
  readonly perSecond: Rates
  /** Processor time of its process, in microseconds an event: the median of the rounds. */
  readonly cpuMicros: number
}

export interface PeerResult extends Measured {
  readonly target: number | undefined
  /** Ours by the peer's. */
  readonly ratio: Ratio
  /** The ratio of the medians reaches the target. */
  readonly met: boolean | undefined
}

export interface RowOptions {
  readonly url: string
  readonly broker: Broker
  readonly folder: string
  readonly events: number
  readonly rounds: number
  /** Rounds before these that do not count. */
  readonly warmUps: number
  readonly profileDir: string | undefined
  readonly say: (line: string) => void
}

/** @throws Error where a part fails, or does not do its work. */
export async function measureRow(row: Row, options: RowOptions): Promise<RowResult> {
  const undos: (() => Promise<unknown>)[] = []
  const bench: Bench = {
    ...options,
    async start(name, setup) {
      const part = await PartProcess.start(name, setup, options)
      undos.push(() => part.close())
      return part
    },
    atEnd: (undo) => void undos.push(undo),
  }
  try {
    const { ours, peers } = await row.prepare(bench)
    const present = peers.filter((peer) => 'run' in peer)
    const rounds = await inTurns([ours, ...present], options)
    const own = rounds.get(ours)!
    return {
      row: row.name,
      path: row.path,
      events: options.events,
      ours: measured(ours, own),
      peers: peers.map((peer) => ('run' in peer ? peerResult(peer, own, rounds.get(peer)!) : peer)),
    }
  } finally {
    for (const undo of undos.reverse()) await undo()
  }
}

async function inTurns(
  contenders: readonly Contender[],
  { rounds, warmUps, say }: RowOptions,
): Promise<Map<Contender, Round[]>> {
  const measured = new Map(contenders.map((contender) => [contender, [] as Round[]]))
  for (let number = 1 - warmUps; number <= rounds; number++) {
    for (const contender of contenders) {
      const round = await contender.run()
      const when = number < 1 ? 'warm-up' : `round ${number}`
      say(`  ${when}: ${contender.label}: ${Math.round(rateOf(round))}/s`)
      if (number >= 1) measured.get(contender)!.push(round)
    }
  }
  return measured
}

function measured({ label }: Contender, rounds: readonly Round[]): Measured {
  const cpuMicros = median(rounds.map(({ cpuMs, events }) => (cpuMs / events) * 1_000))
  return { label, perSecond: ratesOf(rounds.map(rateOf)), cpuMicros: Math.round(cpuMicros * 100) / 100 }
}

function peerResult(peer: Peer, ours: readonly Round[], theirs: readonly Round[]): PeerResult {
  const { target } = peer
  const ratio = ratioOf(ours.map(rateOf), theirs.map(rateOf))
  const met = target === undefined ? undefined : ratio.ofMedians >= target
  return { ...measured(peer, theirs), target, ratio, met }
}

function rateOf({ events, ms }: Round): number {
  return (events / ms) * 1_000
}
