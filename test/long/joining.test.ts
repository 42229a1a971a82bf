/**
 * Consumers that join while 2,000 events a second are being published by three sources: each applies every
 * event once, in its source's order, whatever the moment. Twenty join as they come, twenty more while the
 * recorder stands still.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Consumer, type RecorderStatus, startConsumer, startRecorder } from '../../index.ts'
import { compare, effectsConsumer, flawless, readEffects } from '../fixtures/effects.ts'
import { newExchange, type TestExchange } from '../fixtures/exchange.ts'
import { startFlow } from '../fixtures/flow.ts'
import { startProgram } from '../fixtures/program.ts'
import { until } from '../fixtures/until.ts'

const perWave = 10
/** The spread of the joins over a wave. */
const joinEveryMs = 150

test('ten consumers that join a running flow from its first event on miss nothing', async (t) => {
  const place = await wavePlace(t)
  await using recorder = startRecorder(recorderOptions(place))
  // RabbitMQ may refuse what comes while a queue is still being declared: published again, it is late.
  await recorder.started()
  await joinInMidFlow(t, place, { beforeMs: 0 })
})

test('ten consumers that join a running flow with thousands of events behind it miss nothing', async (t) => {
  const place = await wavePlace(t)
  await using recorder = startRecorder({ ...recorderOptions(place), batchMax: 50 })
  await recorder.started()
  await joinInMidFlow(t, place, { beforeMs: 2_000 })
})

test('ten consumers that join while the recorder process stands still miss nothing', async (t) => {
  const place = await wavePlace(t)
  const recorder = startProgram<RecorderStatus>(t, 'recorder', recorderOptions(place))
  await recorder.until('recording', ({ state }) => state === 'recording')
  await joinInMidFlow(t, place, {
    beforeMs: 500,
    pause: () => recorder.signal('SIGSTOP'),
    resume: () => recorder.signal('SIGCONT'),
  })
})

test('ten consumers that join between the end of one recorder and the start of the next miss nothing', async (t) => {
  const place = await wavePlace(t)
  let recorder = startRecorder(recorderOptions(place))
  t.after(() => recorder.close())
  await recorder.started()
  await joinInMidFlow(t, place, {
    beforeMs: 500,
    pause: () => recorder.close(),
    resume: () => {
      recorder = startRecorder(recorderOptions(place))
    },
  })
})

function wavePlace(t: TestContext): Promise<TestExchange> {
  return newExchange(t, { consumers: joiners().map(({ name }) => name) })
}

function recorderOptions({ url, exchange, history }: TestExchange) {
  return { broker: url, exchange, history }
}

/** Ten that differ in all that decides where the seam falls. */
function joiners() {
  return Array.from({ length: perWave }, (_, index) => ({
    name: `joiner${index}`,
    settleMs: [0, 7, 60][index % 3]!,
    replayBatch: [500, 20, 100, 3][index % 4]!,
    liveBatch: [100, 7, 500][index % 3]!,
    auditMs: [100, 30, 60][index % 3]!,
    // No two waves alike: within its turn each joins at a moment of its own.
    afterMs: joinEveryMs * (0.5 + Math.random()),
  }))
}

async function joinInMidFlow(
  t: TestContext,
  { url, exchange, history, store }: TestExchange,
  {
    beforeMs,
    pause = () => {},
    resume = () => {},
  }: { beforeMs: number; pause?: () => void | Promise<void>; resume?: () => void | Promise<void> },
): Promise<void> {
  const consumers = new Map<string, Consumer>()
  t.after(() => Promise.all([...consumers.values()].map((consumer) => consumer.close())))
  const flow = startFlow({ url, exchange })
  await sleep(beforeMs)
  await pause()
  for (const { name, afterMs, ...options } of joiners()) {
    await sleep(afterMs)
    const definition = effectsConsumer(name, exchange)
    consumers.set(
      name,
      await startConsumer(definition, { ...options, broker: url, history, store: store(name) }),
    )
  }
  await resume()
  await sleep(joinEveryMs)
  const published = await flow.stop()
  const total = [...published.values()].reduce((sum, ids) => sum + ids.length, 0)
  t.diagnostic(`${total} events published, ${flow.rate} a second`)
  for (const [name, consumer] of consumers) {
    await until(`${name} at position ${total}: ${JSON.stringify(consumer.status)}`, () => {
      if (consumer.status.phase === 'stopped') throw new Error(consumer.status.lastError)
      return consumer.status.cursor >= total
    })
    const certificate = await consumer.certificate()
    assert.equal(certificate.level, true, JSON.stringify(certificate))
    assert.equal(consumer.status.repairs, 0)
    await consumer.close()
    assert.deepEqual(compare(readEffects(store(name)), published), flawless)
  }
}
