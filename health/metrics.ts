/**
 * Every metric that is served: its name, its kind, its labels, and where its value is read when asked for.
 *
 * Names and units follow Prometheus' conventions. docs/metrics.md lists the same, and a test holds it to
 * that. Nothing is counted here: a scrape reads what the parts count anyway.
 */
import {
  type ConsumerHealth,
  type HealthParts,
  type RecorderHealth,
  type RelayHealth,
  recordersOf,
  type Sizes,
} from './parts.ts'

export interface Metric {
  readonly name: string
  readonly kind: 'gauge' | 'counter' | 'histogram'
  readonly labels: readonly string[]
  readonly help: string
  samples(parts: HealthParts): readonly Sample[]
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  /** Sizes where the metric is a histogram. */
  readonly value: number | Sizes
}

/** What a part is asked for; undefined where its status does not have it. */
type Read<Status> = (status: Status) => number | Sizes | undefined
type Kind = Metric['kind']

const recorderStates: readonly string[] = ['standby', 'connecting', 'recording', 'holding', 'stopped']
const consumerPhases: readonly string[] = ['replaying', 'live', 'stopped']
const relayStates: readonly string[] = ['standby', 'connecting', 'relaying', 'holding', 'stopped']

/** Milliseconds would be read as seconds by every dashboard. */
const seconds = (at: Date | undefined) => (at === undefined ? undefined : at.getTime() / 1_000)

export const metrics: readonly Metric[] = [
  ofRecorder('head_position', 'gauge', 'Highest position of the history', (s) => s.head),
  ofRecorder('recorded_events_total', 'counter', 'Events recorded since the start', (s) => s.recorded),
  ofRecorder(
    'duplicates_total',
    'counter',
    'Deliveries dropped since the start, because the history had them',
    (s) => s.duplicates,
  ),
  ofRecorder(
    'conflicts_total',
    'counter',
    'Events since the start with the identity of another one and another body',
    (s) => s.conflicts,
  ),
  ofRecorder('batch_events', 'histogram', 'Deliveries a transaction', (s) => s.batchSizes),
  ofRecorder('held_events', 'gauge', 'Deliveries at hand that are not yet written', (s) => s.held),
  ofRecorder(
    'backlog_messages',
    'gauge',
    'Messages in the history queue that were not handed out yet, at the last look',
    (s) => s.backlog,
  ),
  ofRecorder(
    'dead_letters',
    'gauge',
    'Messages in the dead-letter queue of the history queue at the last look; must be 0',
    (s) => s.deadLetters,
  ),
  ofRecorder('reconnects_total', 'counter', 'Connections to the broker after the first', (s) => s.reconnects),
  ofRecorder('last_error_timestamp_seconds', 'gauge', 'When it last met an error', (s) =>
    seconds(s.lastErrorAt),
  ),
  {
    name: 'backstory_recorder_state',
    kind: 'gauge',
    labels: ['exchange', 'state'],
    help: '1 for the state that the recorder is in, 0 for every other',
    samples: (parts) =>
      recordersOf(parts).flatMap(({ status: { exchange, state } }) =>
        oneOf('state', recorderStates, state, { exchange }),
      ),
  },
  ofConsumers('cursor_position', 'gauge', 'Every event at or below it has been applied', (s) => s.cursor),
  ofConsumers('head_position', 'gauge', 'Highest position of the history, as last seen', (s) => s.head),
  ofConsumers('lag_events', 'gauge', 'Positions that the cursor has not passed', (s) => s.lag),
  ofConsumers(
    'lag_seconds',
    'gauge',
    'Age of the oldest recorded event that is not applied yet; 0 where all are',
    (s) => s.lagSeconds,
  ),
  ofConsumers('replayed_events_total', 'counter', 'Events applied from the history', (s) => s.replayed),
  ofConsumers('live_events_total', 'counter', 'Events applied from the live queue', (s) => s.live),
  ofConsumers(
    'duplicates_total',
    'counter',
    'Deliveries dropped, because applied before',
    (s) => s.duplicates,
  ),
  ofConsumers(
    'repairs_total',
    'counter',
    'Times that the live queue had lost an event and the history brought it back',
    (s) => s.repairs,
  ),
  ofConsumers(
    'parked_events',
    'gauge',
    'Events whose handler failed, and those that wait behind them',
    (s) => s.parked,
  ),
  ofConsumers(
    'parked_reactions',
    'gauge',
    'Events whose react failed, and those that wait behind them',
    (s) => s.parkedReactions,
  ),
  ofConsumers('discarded_events', 'gauge', 'Parked events that were given up', (s) => s.discarded),
  ofConsumers('batch_events', 'histogram', 'Events a transaction', (s) => s.batchSizes),
  ofConsumers(
    'reconnects_total',
    'counter',
    'Connections to the broker after the first',
    (s) => s.reconnects,
  ),
  ofConsumers('last_error_timestamp_seconds', 'gauge', 'When it last met an error', (s) =>
    seconds(s.lastErrorAt),
  ),
  {
    name: 'backstory_consumer_phase',
    kind: 'gauge',
    labels: ['consumer', 'exchange', 'phase'],
    help: '1 for the phase that the consumer is in, 0 for every other',
    samples: ({ consumers = [] }) =>
      consumers.flatMap(({ status }) =>
        oneOf('phase', consumerPhases, status.phase, labelsOfConsumer(status)),
      ),
  },
  ofRelay('pending_events', 'gauge', 'Events in the outbox that are not confirmed', (s) => s.pending),
  ofRelay('relayed_events_total', 'counter', 'Events confirmed since the start', (s) => s.relayed),
  ofRelay(
    'confirms_pending',
    'gauge',
    'Publishes that the broker has not confirmed',
    (s) => s.confirmsPending,
  ),
  ofRelay('reconnects_total', 'counter', 'Connections to the broker after the first', (s) => s.reconnects),
  ofRelay('last_error_timestamp_seconds', 'gauge', 'When it last met an error', (s) =>
    seconds(s.lastErrorAt),
  ),
  {
    name: 'backstory_relay_state',
    kind: 'gauge',
    labels: ['exchange', 'state'],
    help: '1 for the state that the relay is in, 0 for every other',
    samples: ({ relay }) =>
      relay === undefined
        ? []
        : oneOf('state', relayStates, relay.status.state, { exchange: relay.status.exchange }),
  },
]

function ofRecorder(name: string, kind: Kind, help: string, read: Read<RecorderHealth>): Metric {
  return {
    name: `backstory_recorder_${name}`,
    kind,
    labels: ['exchange'],
    help,
    samples: (parts) =>
      recordersOf(parts).flatMap(({ status }) => sampleOf(read(status), { exchange: status.exchange })),
  }
}

function ofConsumers(name: string, kind: Kind, help: string, read: Read<ConsumerHealth>): Metric {
  return {
    name: `backstory_consumer_${name}`,
    kind,
    labels: ['consumer', 'exchange'],
    help,
    samples: ({ consumers = [] }) =>
      consumers.flatMap(({ status }) => sampleOf(read(status), labelsOfConsumer(status))),
  }
}

function ofRelay(name: string, kind: Kind, help: string, read: Read<RelayHealth>): Metric {
  return {
    name: `backstory_relay_${name}`,
    kind,
    labels: ['exchange'],
    help,
    samples: ({ relay }) =>
      relay === undefined ? [] : sampleOf(read(relay.status), { exchange: relay.status.exchange }),
  }
}

function labelsOfConsumer({ consumer, exchange }: ConsumerHealth): Sample['labels'] {
  return { consumer, exchange }
}

function sampleOf(value: number | Sizes | undefined, labels: Sample['labels']): Sample[] {
  return value === undefined ? [] : [{ labels, value }]
}

/** A sample for each value that a label may have; one that is not listed is told besides. */
function oneOf(label: string, known: readonly string[], current: string, labels: Sample['labels']): Sample[] {
  const all = known.includes(current) ? known : [...known, current]
  return all.map((value) => ({ labels: { ...labels, [label]: value }, value: value === current ? 1 : 0 }))
}
