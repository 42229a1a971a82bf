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
import { type Figures, figuresOf, median, type Ratio, ratioOf, round3, shown } from './statistics.ts'

export const rowNames = [
  'publish',
  'relay',
  'record',
  'replay',
  'bootstrap',
  'bootstrap-postgres',
  'latency',
  'feed',
  'patterns',
  'replay-json',
  'partitions',
  'partitions-postgres',
] as const

export type RowName = (typeof rowNames)[number]

export interface Row {
  readonly name: RowName
  /** The path that it measures. */
  readonly path: string
  /** Events a round, by default and in a quick run. */
  readonly events: { readonly usual: number; readonly quick: number }
  /** What its figures are. Default: events a second. */
  readonly measure?: Measure
  prepare(bench: Bench): Promise<Contest>
}

export interface Measure {
  readonly unit: string
  figure(round: Round): number
  /** How ours is judged against a peer's: by its ratio, at least the target, or by how much more it is, at most. */
  readonly judge: 'ratio' | 'excess'
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
  /**
   * The least that ours is to reach of its speed, or the most that ours may exceed its figure; undefined where
   * it is shown for comparison.
   */
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
  /** The figures mean nothing. */
  readonly quick: boolean
  readonly say: (line: string) => void
  /** Starts a part in a process of its own, which ends with the row. */
  start<Name extends PartName>(name: Name, setup: SetupOf<Name>): Promise<PartProcess>
  /** Does something at the row's end; the last one first. */
  atEnd(undo: () => Promise<unknown>): void
}

export interface RowResult {
  readonly row: RowName
  readonly path: string
  readonly events: number
  readonly unit: string
  readonly ours: Measured
  readonly peers: readonly (PeerResult | Absent)[]
}

export interface Measured {
  readonly label: string
  readonly figures: Figures
  /** Processor time of its process, in microseconds an event: the median of the rounds. */
  readonly cpuMicros: number
}

export interface PeerResult extends Measured {
  readonly target: number | undefined
  /** Ours by the peer's. */
  readonly ratio: Ratio
  /** The median of ours less that of the peer's. */
  readonly excess: number
  /** The medians reach the target. */
  readonly met: boolean | undefined
}

export interface RowOptions {
  readonly url: string
  readonly broker: Broker
  readonly folder: string
  readonly events: number
  readonly quick: boolean
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
    const { measure = eventsPerSecond } = row
    const { ours, peers } = await row.prepare(bench)
    const present = peers.filter((peer) => 'run' in peer)
    const rounds = await inTurns([ours, ...present], { ...options, measure })
    const own = rounds.get(ours)!
    return {
      row: row.name,
      path: row.path,
      events: options.events,
      unit: measure.unit,
      ours: measured(ours, own, measure),
      peers: peers.map((peer) => ('run' in peer ? peerResult(peer, own, rounds.get(peer)!, measure) : peer)),
    }
  } finally {
    for (const undo of undos.reverse()) await undo()
  }
}

async function inTurns(
  contenders: readonly Contender[],
  { rounds, warmUps, say, measure }: RowOptions & { readonly measure: Measure },
): Promise<Map<Contender, Round[]>> {
  const measured = new Map(contenders.map((contender) => [contender, [] as Round[]]))
  for (let number = 1 - warmUps; number <= rounds; number++) {
    for (const contender of contenders) {
      const round = await contender.run()
      const when = number < 1 ? 'warm-up' : `round ${number}`
      say(`  ${when}: ${contender.label}: ${shown(measure.figure(round))} ${measure.unit}`)
      if (number >= 1) measured.get(contender)!.push(round)
    }
  }
  return measured
}

const eventsPerSecond: Measure = {
  unit: 'events/s',
  figure: ({ events, ms }) => (events / ms) * 1_000,
  judge: 'ratio',
}

function measured({ label }: Contender, rounds: readonly Round[], { figure }: Measure): Measured {
  const cpuMicros = median(rounds.map(({ cpuMs, events }) => (cpuMs / events) * 1_000))
  return { label, figures: figuresOf(rounds.map(figure)), cpuMicros: Math.round(cpuMicros * 100) / 100 }
}

function peerResult(
  peer: Peer,
  ours: readonly Round[],
  theirs: readonly Round[],
  measure: Measure,
): PeerResult {
  const { target } = peer
  const ratio = ratioOf(ours.map(measure.figure), theirs.map(measure.figure))
  const excess = median(ours.map(measure.figure)) - median(theirs.map(measure.figure))
  const isMet = (wanted: number) => (measure.judge === 'ratio' ? ratio.ofMedians >= wanted : excess <= wanted)
  const met = target === undefined ? undefined : isMet(target)
  return { ...measured(peer, theirs, measure), target, ratio, excess: round3(excess), met }
}
