/**
 * The parts of a process as their health is judged: by what they tell of themselves, and by how they ended.
 *
 * A part is anything of this shape, so that this folder imports none of them. What a status does not have
 * is left out of the metrics, never made up.
 */

interface Part<Status> {
  readonly status: Status
  /** Rejects with what ended the part for good. */
  readonly stopped: Promise<void>
}

/** As `BatchSizes` of history/ counts them. */
export interface Sizes {
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
  readonly sum: number
}

interface Failing {
  readonly reconnects: number
  readonly lastError: string | undefined
  readonly lastErrorAt: Date | undefined
}

export interface RecorderHealth extends Failing {
  readonly exchange: string
  readonly state: 'standby' | 'connecting' | 'recording' | 'holding' | 'stopped'
  readonly head: number
  readonly recorded: number
  readonly duplicates: number
  readonly conflicts: number
  readonly held: number
  readonly backlog: number
  readonly deadLetters: number
  readonly batchSizes: Sizes
}

export interface ConsumerHealth extends Failing {
  readonly consumer: string
  readonly exchange: string
  readonly phase: string
  readonly waitingFor: string | undefined
  readonly cursor: number
  readonly head: number
  readonly lag: number
  /** Age of the oldest event that is not applied yet; 0 where all are. */
  readonly lagSeconds: number
  readonly replayed: number
  readonly live: number
  readonly duplicates: number
  readonly repairs: number
  readonly parked: number
  readonly parkedReactions: number
  readonly discarded: number
  readonly batchSizes: Sizes
}

export interface RelayHealth extends Failing {
  readonly exchange: string
  readonly state: string
  readonly pending: number
  readonly relayed: number
  readonly confirmsPending: number
}

export interface HealthParts {
  readonly recorder?: Part<RecorderHealth>
  /** Several, such as those of partitions. */
  readonly recorders?: readonly Part<RecorderHealth>[]
  readonly consumers?: readonly Part<ConsumerHealth>[]
  readonly relay?: Part<RelayHealth>
}

export function recordersOf({ recorder, recorders = [] }: HealthParts): readonly Part<RecorderHealth>[] {
  return recorder === undefined ? recorders : [recorder, ...recorders]
}
