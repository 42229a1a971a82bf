/**
 * A consumer that begins with the newest event of each subject: what it has in the end is what a replay of
 * everything gives, and its certificate says what it did not read.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attributesOf, toMessage } from '../events/index.ts'
import { openHistoryWriter } from '../history/index.ts'
import {
  auditConsumer,
  type ConsumerStatus,
  openConsumerMarks,
  openHistory,
  openPublisher,
  readSqliteStore,
  rebuildConsumer,
  startConsumer,
  startRecorder,
} from '../index.ts'
import { effectsConsumer, readEffects } from './fixtures/effects.ts'
import { newExchange } from './fixtures/exchange.ts'
import { startProgram } from './fixtures/program.ts'
import { until } from './fixtures/until.ts'

const source = '/stock'
const type = 'stock.counted'

/** An event whose body says whose it is, so that the rows of a consumer tell the newest of each. */
const counted = (id: string, subject: string | undefined) => ({
  ...{ type, id, data: { subject: subject ?? id } },
  ...(subject !== undefined && { subject }),
})

test('a consumer from latest takes the newest event of each subject and all that comes, and is certified so', async (t) => {
  const { url: broker, exchange, history, store } = await newExchange(t, { consumers: ['stock'] })
  await recordedBefore(history, {
    exchange,
    events: 1_000,
    subjectOf: (n) => (n % 100 === 0 ? undefined : `S-${n % 50}`),
  })
  await using _recorder = startRecorder({ broker, exchange, history })
  await using publisher = openPublisher({ broker, exchange, source })
  const start = (from: 'beginning' | 'latest') =>
    startConsumer(effectsConsumer('stock', exchange), {
      ...{ broker, history, store: store('stock'), from, settleMs: 0, auditMs: 10, replayBatch: 100 },
    })
  const consumer = await start('latest')
  await consumer.caughtUp()
  // 49 subjects, S-0 among them with its newest at 950, and ten events without one.
  const taken = readEffects(store('stock')).map(({ position }) => position!)
  const newest = Array.from({ length: 49 }, (_, index) => 951 + index)
  assert.deepEqual(taken, [
    ...Array.from({ length: 9 }, (_, index) => (index + 1) * 100),
    950,
    ...newest,
    1_000,
  ])

  await publisher.publish(counted('1', 'S-1'))
  await publisher.publish(counted('1001', 'S-1'))
  await until('the new one is passed', () => consumer.status.cursor === 1_001)
  assert.equal(consumer.status.duplicates, 1, 'one that was passed over comes again')
  const { level, applied, superseded, checksum, history: held } = await consumer.certificate()
  assert.deepEqual([level, applied, superseded], [true, 61, 940])
  assert.equal(checksum, held.checksum)
  await consumer.close()

  await using again = await start('beginning')
  await again.caughtUp()
  assert.deepEqual([again.status.replayed, again.status.cursor], [60, 1_001], 'it goes on as it began')
  await using reader = openHistory({ history })
  await using marks = await openConsumerMarks({ store: store('stock') })
  const audit = await auditConsumer(marks, reader)
  assert.deepEqual([audit.clean, audit.missing.count], [true, 0])
  const before = readEffects(store('stock'))
  await rebuildConsumer(effectsConsumer('stock', exchange), { history, store: store('stock') })
  const ids = (effects: typeof before) => effects.map(({ id }) => id)
  assert.deepEqual(ids(readEffects(store('stock'))), ids(before), 'a rebuild takes the same events')
})

test('killed in its replay, a consumer from latest goes on with what was newest at its fence', async (t) => {
  const { url: broker, exchange, history, store } = await newExchange(t, { consumers: ['stock', 'whole'] })
  // Each subject has ten events, the newest of the first 60 in the middle, of the others at the end.
  const subjectOf = (n: number) => `S-${(n <= 600 ? 0 : 60) + (n % 60)}`
  await recordedBefore(history, { exchange, events: 1_200, subjectOf })
  await using recorder = startRecorder({ broker, exchange, history })
  await using publisher = openPublisher({ broker, exchange, source })
  const options = { broker, exchange, history, store: store('stock'), from: 'latest', settleMs: 0 } as const
  const killed = startProgram<ConsumerStatus>(t, 'consumer', { ...options, name: 'stock', replayBatch: 4 })
  await killed.until('it replays', ({ cursor }) => cursor > 560)
  await killed.kill()
  const [state] = await readSqliteStore(store('stock'))
  assert.ok(state!.state.cursor < 1_140, `it was killed at ${state!.state.cursor}`)
  // One whose newest is still ahead, one whose newest was taken in, and a new one.
  await publisher.publish(counted('1201', subjectOf(1_170)))
  await publisher.publish(counted('1202', subjectOf(550)))
  await publisher.publish(counted('1203', 'S-200'))
  await until('they are recorded', () => recorder.status.head === 1_203)

  await using stock = await startConsumer(effectsConsumer('stock', exchange), { ...options, auditMs: 10 })
  await stock.caughtUp()
  const { level, applied, superseded } = await stock.certificate()
  assert.deepEqual([level, applied, superseded], [true, 123, 1_080])
  const effects = readEffects(store('stock'))
  const ids = effects.map(({ id }) => id)
  assert.equal(new Set(ids).size, 123)
  assert.ok(ids.indexOf('1170') < ids.indexOf('1201'), 'what was newest at the fence, then what came later')

  await using whole = await startConsumer(effectsConsumer('whole', exchange), {
    ...{ broker, history, store: store('whole'), settleMs: 0 },
  })
  await whole.caughtUp()
  assert.deepEqual(newestOf(store('stock')), newestOf(store('whole')))
})

async function recordedBefore(
  history: string,
  {
    exchange,
    events,
    subjectOf,
  }: { exchange: string; events: number; subjectOf: (n: number) => string | undefined },
): Promise<void> {
  const writer = await openHistoryWriter({ history, exchange })
  const batch = Array.from({ length: events }, (_, index) => {
    const message = toMessage(counted(`${index + 1}`, subjectOf(index + 1)), { exchange, source })
    return { ...attributesOf(message), message }
  })
  await writer.append({ events: batch, fences: [] })
  await writer.close()
}

/** What a handler that keeps one row a subject would have. */
function newestOf(store: string): Map<string, string> {
  const rows = readEffects(store).map(({ id, data }) => [JSON.parse(data!).subject as string, id] as const)
  return new Map([...rows].sort(([left], [right]) => (left < right ? -1 : 1)))
}
