import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type CloudEvent,
  type Consumer,
  type ConsumerDefinition,
  type ConsumerOptions,
  type ConsumerStatus,
  defineConsumer,
  defineEvents,
  type EventInput,
  eventType,
  type HandlerContext,
  openParkedEvents,
  openPublisher,
  type ParkedEvents,
  type ParkingPolicy,
  type Publisher,
  type Recorder,
  type RetryPolicy,
  startConsumer,
  startRecorder,
} from '../../index.ts'
import { runCli } from '../../scripts/cli/run-cli.fixture.ts'
import {
  effectsConsumer,
  type Insert,
  insertEffect,
  prepareEffects,
  readEffects,
} from '../fixtures/effects.ts'
import { newExchange, type TestExchange } from '../fixtures/exchange.ts'
import type { ParkingOptions } from '../fixtures/parking.program.ts'
import { plainChannel, plainPublish } from '../fixtures/plain.ts'
import { type Program, startProgram } from '../fixtures/program.ts'
import { until } from '../fixtures/until.ts'

const name = 'production'
const source = '/sales'

interface Place extends TestExchange {
  readonly recorder: Recorder
  readonly publisher: Publisher
}

/** An exchange with its recorder and a publisher. */
async function newPlace(t: TestContext, consumers: readonly string[] = [name]): Promise<Place> {
  const place = await newExchange(t, { consumers })
  const { url: broker, exchange, history } = place
  const recorder = startRecorder({ broker, exchange, history })
  t.after(() => recorder.close())
  await recorder.started()
  const publisher = openPublisher({ broker, exchange, source })
  t.after(() => publisher.close())
  return { ...place, recorder, publisher }
}

/** What an event does besides leaving a row, by its id. */
interface Behaviour {
  apply?(event: CloudEvent, context: HandlerContext<Insert>): unknown
  react?(event: CloudEvent): unknown
  readonly retry?: RetryPolicy
  readonly parking?: ParkingPolicy | false
}

function shipping({ exchange }: TestExchange, { apply, react, retry, parking }: Behaviour = {}) {
  return defineConsumer<Record<string, never>, Insert>({
    name,
    exchange,
    prepare: (database) => prepareEffects(database),
    retry: retry ?? { attempts: 2, backoffMs: 1 },
    ...(parking !== undefined && { parking }),
    on: {
      '*': {
        // The row first: a failure takes it back.
        async apply(event: CloudEvent, context: HandlerContext<Insert>) {
          insertEffect(context.tx, event, context)
          await apply?.(event, context)
        },
        ...(react && { react }),
      },
    },
  })
}

async function start(
  t: TestContext,
  place: TestExchange,
  definition: ConsumerDefinition<Record<string, never>, Insert>,
  options: Partial<ConsumerOptions> = {},
): Promise<Consumer> {
  const { url: broker, history } = place
  const fast = { settleMs: 0, auditMs: 10 }
  const store = place.store(definition.name)
  const consumer = await startConsumer(definition, { broker, history, store, ...fast, ...options })
  t.after(() => consumer.close())
  return consumer
}

async function parkedOf(t: TestContext, place: TestExchange): Promise<ParkedEvents> {
  const parked = await openParkedEvents({ store: place.store(name) })
  t.after(() => parked.close())
  return parked
}

/** `EC-1 3` is the third event of subject `EC-1`. */
function eventOf(id: string): EventInput {
  return { type: 'order.placed', id, subject: id.split(' ')[0]!, data: { id } }
}

async function publish({ publisher }: Place, ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((id) => publisher.publish(eventOf(id))))
}

const applied = (place: TestExchange) => readEffects(place.store(name)).map(({ id }) => id)
const ofSubject = (ids: readonly string[], subject: string) =>
  ids.filter((id) => id.startsWith(`${subject} `))
const idsOf = (events: readonly { id: string }[]) => events.map(({ id }) => id)

async function untilLevel(consumer: Consumer, head: number): Promise<void> {
  await until(`a level certificate at ${head}`, async () => {
    const certificate = await consumer.certificate()
    return certificate.level && certificate.head === head
  })
}

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open!: () => void
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}

for (const phase of ['replay', 'live'] as const) {
  test(`an event whose handler fails in the ${phase} is parked, its subject waits, others go on, and a retry keeps the order`, async (t) => {
    const place = await newPlace(t)
    let isMended = false
    const definition = shipping(place, {
      apply: ({ id }) => {
        if (id === 'a 2' && !isMended) throw new Error('no paint')
      },
    })
    const ids = ['a 1', 'b 1', 'a 2', 'a 3', 'b 2', 'a 4', 'c 1']
    if (phase === 'replay') await publish(place, ids)
    await until('it is recorded', () => phase === 'live' || place.recorder.status.head === ids.length)
    const consumer = await start(t, place, definition)
    await consumer.caughtUp()
    if (phase === 'live') await publish(place, ids)
    await until('the rest is applied', () => consumer.status.cursor === ids.length)
    assert.deepEqual(applied(place), ['a 1', 'b 1', 'b 2', 'c 1'])
    assert.deepEqual([consumer.status.applied, consumer.status.parked], [4, 3])
    const { complete, level, parked: count } = await consumer.certificate()
    assert.deepEqual({ complete, level, count }, { complete: true, level: false, count: 3 })
    const parked = await parkedOf(t, place)
    const list = await parked.list()
    assert.deepEqual(
      list.map(({ id, reason, attempts }) => [id, reason, attempts]),
      [
        ['a 2', 'failed', 2],
        ['a 3', 'behind', 0],
        ['a 4', 'behind', 0],
      ],
    )
    isMended = true
    await parked.retry({ number: list[0]!.number })
    await publish(place, ['a 5', 'd 1', 'a 6'])
    await untilLevel(consumer, ids.length + 3)
    assert.deepEqual(ofSubject(applied(place), 'a'), ['a 1', 'a 2', 'a 3', 'a 4', 'a 5', 'a 6'])
    assert.equal(new Set(applied(place)).size, ids.length + 3)
  })
}

test('live events that come while those before them are tried again wait for them', async (t) => {
  const place = await newPlace(t)
  let isMended = false
  const [tried, goOn] = [gate(), gate()]
  const definition = shipping(place, {
    async apply({ id }) {
      if (id !== 'a 1') return
      if (!isMended) throw new Error('no paint')
      tried.open()
      await goOn.opened
    },
  })
  const consumer = await start(t, place, definition)
  await consumer.caughtUp()
  await publish(place, ['a 1', 'a 2'])
  await until('both are parked', () => consumer.status.parked === 2)
  isMended = true
  const parked = await parkedOf(t, place)
  await parked.retry({ all: true })
  await tried.opened
  await publish(place, ['a 3', 'b 1'])
  goOn.open()
  await untilLevel(consumer, 4)
  assert.deepEqual(ofSubject(applied(place), 'a'), ['a 1', 'a 2', 'a 3'])
})

test('without holding the subject only the failed event waits', async (t) => {
  const place = await newPlace(t)
  let isMended = false
  const definition = shipping(place, {
    apply: ({ id }) => {
      if (id === 'a 2' && !isMended) throw new Error('no paint')
    },
    parking: { holdSubject: false },
  })
  const consumer = await start(t, place, definition)
  await consumer.caughtUp()
  await publish(place, ['a 1', 'a 2', 'a 3', 'a 4'])
  await until('the rest is applied', () => consumer.status.cursor === 4)
  assert.deepEqual(applied(place), ['a 1', 'a 3', 'a 4'])
  isMended = true
  await (await parkedOf(t, place)).retry({ all: true })
  await untilLevel(consumer, 4)
  assert.deepEqual(applied(place), ['a 1', 'a 3', 'a 4', 'a 2'])
})

test('what cannot be decoded and what its schema refuses is parked at once, with its bytes', async (t) => {
  const place = await newPlace(t)
  let handled = 0
  const events = defineEvents({
    'order.placed': eventType<{ price: number }>(
      (data) => typeof (data as { price?: unknown }).price === 'number',
    ),
    'order.noted': eventType<unknown>(),
  })
  const definition = defineConsumer({
    name,
    exchange: place.exchange,
    events,
    retry: { attempts: 5, backoffMs: 60_000 },
    on: {
      'order.placed': () => {
        handled += 1
      },
      'order.noted': ({ data }) => data,
    },
  })
  const { url: broker, history, store } = place
  const consumer = await startConsumer(definition, { broker, history, store: store(name), settleMs: 0 })
  t.after(() => consumer.close())
  await consumer.caughtUp()
  const channel = await plainChannel(t, place.url)
  const broken = Buffer.from([0x7b, 0xff, 0x00])
  const contentType = 'application/json'
  await plainPublish(channel, place.exchange, {
    body: broken,
    contentType,
    type: 'order.noted',
    messageId: '1',
  })
  const refused = Buffer.from('{"price":"much"}')
  await plainPublish(channel, place.exchange, {
    body: refused,
    contentType,
    type: 'order.placed',
    messageId: '2',
  })
  const fine = Buffer.from('{"price":7}')
  await plainPublish(channel, place.exchange, {
    body: fine,
    contentType,
    type: 'order.placed',
    messageId: '3',
  })
  await until('both are parked', () => consumer.status.parked === 2 && handled === 1)
  const parked = await parkedOf(t, place)
  const kept = await Promise.all((await parked.list()).map(({ number }) => parked.get(number)))
  assert.deepEqual(
    kept.map((one) => [one!.id, one!.reason, one!.attempts, one!.message.body]),
    [
      ['1', 'undecodable', 1, broken],
      ['2', 'refused', 1, refused],
    ],
  )
})

test('each type has its own number of tries, and a schedule tries again by itself', async (t) => {
  const place = await newPlace(t)
  const attempts: Record<string, number[]> = { fragile: [], sturdy: [] }
  const fail = ({ type }: CloudEvent, { attempt }: HandlerContext<unknown>) => {
    attempts[type]!.push(attempt)
    if (type === 'fragile' || attempts[type]!.length < 7) throw new Error('not yet')
  }
  const definition = defineConsumer({
    name,
    exchange: place.exchange,
    retry: { attempts: 3, backoffMs: 1 },
    parking: { retryAfterMs: [20, 20, 3_600_000] },
    on: { fragile: { apply: fail, retry: { attempts: 1 } }, sturdy: { apply: fail, retry: { attempts: 5 } } },
  })
  const { url: broker, history, store } = place
  const consumer = await startConsumer(definition, { broker, history, store: store(name), settleMs: 0 })
  t.after(() => consumer.close())
  await consumer.caughtUp()
  await place.publisher.publish({ type: 'sturdy', subject: 'a', data: 1 })
  await until('it was parked and came through', () => attempts.sturdy!.length === 7)
  await place.publisher.publish({ type: 'fragile', subject: 'b', data: 1 })
  await until('it was parked and tried twice more', () => attempts.fragile!.length === 3)
  assert.deepEqual(attempts, { sturdy: [1, 2, 3, 4, 5, 1, 1], fragile: [1, 1, 1] })
  const parked = await parkedOf(t, place)
  await until('it is scheduled again', async () => (await parked.list())[0]?.retries === 2)
  const [entry, ...others] = await parked.list()
  assert.equal(others.length, 0)
  assert.ok(entry!.dueAt! > Date.now() + 3_000_000)
})

test('a retry reaches this consumer only: no other one of the exchange sees anything', async (t) => {
  const place = await newPlace(t, [name, 'billing'])
  let isMended = false
  const consumer = await start(
    t,
    place,
    shipping(place, {
      apply: ({ id }) => {
        if (id === 'a 1' && !isMended) throw new Error('no paint')
      },
    }),
  )
  const billing = await start(t, place, effectsConsumer('billing', place.exchange))
  await Promise.all([consumer.caughtUp(), billing.caughtUp()])
  await publish(place, ['a 1', 'a 2'])
  await until('parked', () => consumer.status.parked === 2)
  await untilLevel(billing, 2)
  const parked = await parkedOf(t, place)
  isMended = true
  await parked.edit(1, { data: 'edited' })
  await parked.retry({ all: true })
  await untilLevel(consumer, 2)
  await publish(place, ['b 1'])
  await untilLevel(billing, 3)
  assert.deepEqual(idsOf(readEffects(place.store('billing'))), ['a 1', 'a 2', 'b 1'])
  assert.deepEqual([billing.status.duplicates, place.recorder.status.head], [0, 3])
  assert.equal(readEffects(place.store(name)).find(({ id }) => id === 'a 1')!.data, '"edited"')
})

test('the command waits while the running consumer tries what it marked, and tells what became of it', async (t) => {
  const place = await newPlace(t)
  const failing = new Set(['a 1', 'b 1'])
  const definition = shipping(place, {
    apply: ({ id }) => {
      if (failing.has(id)) throw new Error('no paint')
    },
  })
  const consumer = await start(t, place, definition)
  await consumer.caughtUp()
  await publish(place, ['a 1', 'b 1', 'a 2', 'b 2'])
  await until('all are parked', () => consumer.status.parked === 4)
  const { exchange, folder } = place
  const text = `export default { name: '${name}', exchange: '${exchange}', on: { '*': () => process.exit(9) } }`
  writeFileSync(join(folder, 'production.mjs'), text)
  failing.delete('a 1')
  const run = await runCli(['parked', 'retry', './production.mjs', '--all', '--json'], { cwd: folder })
  assert.equal(run.code, 1, run.stderr)
  const { seconds: _seconds, ...figures } = JSON.parse(run.stdout)
  assert.deepEqual(figures, { events: 2, applied: 1, followed: 1, failed: 1, waiting: 1, discarded: 0 })
  assert.deepEqual(applied(place), ['a 1', 'a 2'])
})

// Real processes, and SIGKILL.

function run(
  t: TestContext,
  { url: broker, history, exchange, store }: TestExchange,
  options: Omit<ParkingOptions, 'name' | 'exchange'> & Partial<ConsumerOptions> = {},
): Program<ConsumerStatus> {
  const place = { name, exchange, broker, history, store: store(name) }
  return startProgram<ConsumerStatus>(t, 'parking', { ...place, settleMs: 0, auditMs: 10, ...options })
}

/** Starts it again and again while it is killed by its own events. @returns How often it died. */
async function untilItLives(
  start: () => Program<ConsumerStatus>,
  holds: (status: ConsumerStatus) => boolean,
): Promise<{ deaths: number; program: Program<ConsumerStatus> }> {
  for (let deaths = 0; ; deaths++) {
    const program = start()
    const lives = () => program.report !== undefined && holds(program.report)
    await until('it dies or is done', () => program.hasEnded || lives())
    if (!program.hasEnded) return { deaths, program }
    assert.ok(deaths < 10, program.errors.join('\n'))
  }
}

test('a consumer that is killed while it parks loses nothing and parks nothing twice', async (t) => {
  const place = await newPlace(t)
  const subjects = Array.from({ length: 40 }, (_, index) => `s${index}`)
  const ids = [1, 2, 3, 4, 5].flatMap((n) => subjects.map((subject) => `${subject} ${n}`))
  // The second of every other subject.
  const failing = subjects.filter((_, index) => index % 2 === 0).map((subject) => `${subject} 2`)
  await publish(place, ids)
  await until('all is recorded', () => place.recorder.status.head === ids.length)
  for (const parked of [1, 40]) {
    const program = run(t, place, { failing, replayBatch: 10 })
    await program.until('some are parked', (status) => status.parked >= parked)
    await program.kill()
  }
  const program = run(t, place, { failing, replayBatch: 10 })
  await program.until('all was taken in', ({ cursor, phase }) => cursor === ids.length && phase === 'live')
  const parked = await parkedOf(t, place)
  assert.equal(await program.stop(), 0)
  const waiting = idsOf(await parked.list({ limit: 1_000 }))
  assert.equal(waiting.length, 20 * 4)
  assert.deepEqual([...applied(place), ...waiting].sort(), [...ids].sort())
  const mended = await start(t, place, shipping(place))
  await parked.retry({ all: true })
  await untilLevel(mended, ids.length)
  for (const subject of subjects)
    assert.deepEqual(
      ofSubject(applied(place), subject),
      [1, 2, 3, 4, 5].map((n) => `${subject} ${n}`),
    )
})

test('an event that kills the process is parked after three deaths, and no innocent one is', async (t) => {
  const place = await newPlace(t)
  const ids = Array.from({ length: 60 }, (_, index) => `s${index % 20} ${index}`)
  const killers = [ids[33]!]
  await publish(place, ids)
  await until('all is recorded', () => place.recorder.status.head === ids.length)
  const { deaths, program } = await untilItLives(
    () => run(t, place, { killers, replayBatch: 25 }),
    ({ cursor }) => cursor === ids.length,
  )
  assert.equal(deaths, 3)
  assert.equal(await program.stop(), 0)
  const parked = await parkedOf(t, place)
  const [killer, behind, ...others] = await parked.list()
  assert.deepEqual([killer!.id, killer!.reason, killer!.attempts], [killers[0], 'crashed', 3])
  assert.deepEqual([behind!.id, behind!.reason, others.length], [ids[53], 'behind', 0])
  assert.equal(applied(place).length, ids.length - 2)
  assert.equal(new Set(applied(place)).size, ids.length - 2)
})

test('an event whose reaction kills the process is parked after three deaths, and its neighbours react', async (t) => {
  const place = await newPlace(t)
  const reactions = join(place.folder, 'reactions')
  const ids = Array.from({ length: 30 }, (_, index) => `s${index % 10} ${index}`)
  const reactKillers = [ids[7]!]
  const first = run(t, place, { reactKillers, reactions })
  await first.until('it is live', ({ phase }) => phase === 'live')
  await publish(place, ids)
  await until('it dies', () => first.hasEnded)
  const { deaths, program } = await untilItLives(
    () => run(t, place, { reactKillers, reactions }),
    ({ parkedReactions, cursor }) => parkedReactions === 3 && cursor === ids.length,
  )
  assert.equal(deaths, 2)
  const reacted = () => readFileSync(reactions, 'utf8').trimEnd().split('\n')
  await until('all others have reacted', () => new Set(reacted()).size === 27)
  assert.equal(await program.stop(), 0)
  const parked = await parkedOf(t, place)
  assert.deepEqual(
    (await parked.list()).map(({ id, part, reason }) => [id, part, reason]),
    [
      [ids[7], 'react', 'crashed'],
      [ids[17], 'react', 'behind'],
      [ids[27], 'react', 'behind'],
    ],
  )
  assert.equal(applied(place).length, ids.length)
})

// React.

test('events react live and not in the replay, after the commit, in order per subject, and each new store is silent', async (t) => {
  const place = await newPlace(t)
  const reacted: string[] = []
  const unseen: string[] = []
  const react = ({ id }: CloudEvent) => {
    // Another connection sees the effect: it was committed.
    if (!applied(place).includes(id)) unseen.push(id)
    reacted.push(id)
  }
  await publish(place, ['a 1', 'b 1'])
  await until('both are recorded', () => place.recorder.status.head === 2)
  const consumer = await start(t, place, shipping(place, { react }))
  await consumer.caughtUp()
  const live = ['a 2', 'a 3', 'b 2', 'a 4', 'b 3']
  await publish(place, live)
  await until('all have reacted', () => reacted.length === live.length)
  await consumer.close()
  // What it missed while it was away reacts too.
  await publish(place, ['a 5'])
  await until('it is recorded', () => place.recorder.status.head === 8)
  const again = await start(t, place, shipping(place, { react }))
  await until('it has reacted', () => reacted.length === live.length + 1)
  await again.close()
  assert.deepEqual([reacted.length, unseen], [6, []])
  for (const subject of ['a', 'b']) {
    const wanted = [...live, 'a 5'].filter((id) => id.startsWith(subject))
    assert.deepEqual(ofSubject(reacted, subject), wanted)
  }
  for (const store of ['second', 'third']) {
    const rebuilt = await start(t, place, shipping(place, { react }), { store: place.store(store) })
    await rebuilt.caughtUp()
    await untilLevel(rebuilt, 8)
    await rebuilt.close()
  }
  assert.equal(reacted.length, 6)
})

test('a reaction that keeps failing is parked with what follows of its subject, and a retry reacts in order', async (t) => {
  const place = await newPlace(t)
  const reacted: string[] = []
  let isMended = false
  const react = ({ id }: CloudEvent) => {
    if (id === 'a 2' && !isMended) throw new Error('no mail')
    reacted.push(id)
  }
  const consumer = await start(t, place, shipping(place, { react }))
  await consumer.caughtUp()
  await publish(place, ['a 1', 'a 2', 'a 3', 'b 1'])
  await until('two wait', () => reacted.length === 2)
  await publish(place, ['a 4', 'b 2'])
  await untilLevel(consumer, 6)
  const parked = await parkedOf(t, place)
  await until('three wait', async () => (await parked.list()).length === 3)
  assert.deepEqual(ofSubject(reacted, 'a'), ['a 1'])
  assert.deepEqual(idsOf(await parked.list({ part: 'react' })), ['a 2', 'a 3', 'a 4'])
  isMended = true
  await parked.retry({ subject: 'a' })
  await until('all have reacted', () => reacted.length === 6)
  assert.deepEqual(ofSubject(reacted, 'a'), ['a 1', 'a 2', 'a 3', 'a 4'])
  assert.equal(applied(place).length, 6)
})

test('a reaction that fails stops a consumer that does not park, and runs at its next start', async (t) => {
  const place = await newPlace(t)
  const reacted: string[] = []
  let isMended = false
  const react = ({ id }: CloudEvent) => {
    if (id === 'a 2' && !isMended) throw new Error('no mail')
    reacted.push(id)
  }
  const broken = await start(t, place, shipping(place, { react, parking: false }))
  await broken.caughtUp()
  await publish(place, ['a 1', 'a 2', 'a 3'])
  await assert.rejects(broken.stopped, {
    code: 'CONSUMER_HANDLER_FAILED',
    message: /reaction to event a 2.*no mail/,
  })
  isMended = true
  const mended = await start(t, place, shipping(place, { react, parking: false }))
  await untilLevel(mended, 3)
  await until('all have reacted', () => reacted.length === 3)
  assert.deepEqual(reacted, ['a 1', 'a 2', 'a 3'])
})

test('a process that dies among its reactions repeats some and loses none', async (t) => {
  const place = await newPlace(t)
  const reactions = join(place.folder, 'reactions')
  const reacted = () => (existsSync(reactions) ? readFileSync(reactions, 'utf8').trimEnd().split('\n') : [])
  const ids = Array.from({ length: 400 }, (_, index) => `s${index % 7} ${index}`)
  const reactKillersOnce = [ids[57]!, ids[310]!]
  const first = run(t, place, { reactions, reactKillersOnce })
  await first.until('it is live', ({ phase }) => phase === 'live')
  await publish(place, ids)
  await until('it dies', () => first.hasEnded)
  const { deaths } = await untilItLives(
    () => run(t, place, { reactions, reactKillersOnce }),
    () => new Set(reacted()).size === ids.length,
  )
  assert.equal(deaths, 1)
  for (const subject of ['s0', 's6']) {
    const firsts = [...new Set(ofSubject(reacted(), subject))]
    assert.deepEqual(firsts, ofSubject(ids, subject))
  }
})

test('reactFrom leaves out what is parked, which reacts when it has been applied', async (t) => {
  const place = await newPlace(t)
  const reacted: string[] = []
  let isMended = false
  const definition = shipping(place, {
    apply: ({ id }) => {
      if (id === 'a 2' && !isMended) throw new Error('no paint')
    },
    react: ({ id }) => void reacted.push(id),
  })
  await publish(place, ['a 1', 'a 2', 'a 3', 'b 1'])
  await until('recorded', () => place.recorder.status.head === 4)
  const first = await start(t, place, definition)
  await first.caughtUp()
  await first.close()
  const second = await start(t, place, definition, { reactFrom: 1 })
  await until('what was applied has reacted', () => reacted.length === 2)
  isMended = true
  await (await parkedOf(t, place)).retry({ all: true })
  await until('the rest has reacted', () => reacted.length === 4)
  await untilLevel(second, 4)
  assert.deepEqual(ofSubject(reacted, 'a'), ['a 1', 'a 2', 'a 3'])
})

test('reactFrom lets events of the past react: from a position, or a time, once each', async (t) => {
  const place = await newPlace(t)
  const reacted: string[] = []
  const react = ({ id }: CloudEvent) => void reacted.push(id)
  await publish(place, ['a 1', 'a 2', 'a 3'])
  await until('recorded', () => place.recorder.status.head === 3)
  const since = new Date(Date.now() + 1)
  await until('time goes on', () => Date.now() > since.getTime() + 1)
  await publish(place, ['a 4', 'a 5'])
  await until('recorded', () => place.recorder.status.head === 5)
  const byTime = await start(t, place, shipping(place, { react }), {
    reactFrom: since,
    store: place.store('time'),
  })
  await byTime.caughtUp()
  await until('two have reacted', () => reacted.length === 2)
  await byTime.close()
  assert.deepEqual(reacted.splice(0), ['a 4', 'a 5'])
  const plain = await start(t, place, shipping(place, { react }))
  await plain.caughtUp()
  await plain.close()
  assert.deepEqual(reacted, [])
  // It has applied all; those from position 2 on react now, and not again at the next start.
  for (const _start of [1, 2]) {
    const byPosition = await start(t, place, shipping(place, { react }), { reactFrom: 2 })
    await byPosition.caughtUp()
    await until('four have reacted', () => reacted.length === 4)
    await byPosition.close()
  }
  assert.deepEqual(reacted, ['a 2', 'a 3', 'a 4', 'a 5'])
})
