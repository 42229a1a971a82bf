/**
 * Topology as code, on a broker with the management plugin: what plan, apply and lint see with it and
 * without. Each finding is made for real.
 */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import type { Options } from 'amqplib'
import {
  applyTopology,
  type Broker,
  BrokerError,
  connectBroker,
  deadQueueOf,
  declareTopology,
  historyQueueOf,
  lintTopology,
  openPublisher,
  partitionExchangesOf,
  planTopology,
  type QueueToDeclare,
  startRecorder,
  type TopologyLint,
  type TopologyLintOptions,
} from '../index.ts'
import { runCli } from '../scripts/cli/run-cli.fixture.ts'
import { temporaryFolder } from './fixtures/exchange.ts'
import { type ManagedBroker, startManagedBroker } from './fixtures/managed-broker.ts'
import { uniqueName } from './fixtures/names.ts'
import { until } from './fixtures/until.ts'

let managed: ManagedBroker
let broker: Broker
before(async () => {
  managed = await startManagedBroker()
  broker = connectBroker({ url: managed.url })
})
after(async () => {
  await broker.close()
  await managed.stop()
})

interface Names {
  readonly exchange: string
  readonly history: string
  readonly shipping: string
}

function newNames(): Names {
  const exchange = uniqueName()
  return { exchange, history: historyQueueOf(exchange), shipping: `${exchange}.shipping` }
}

async function states(
  { exchange, shipping }: Names,
  { management, lengthMax }: { management?: string; lengthMax?: number } = {},
): Promise<Record<string, string>> {
  const { items } = await planTopology(broker, {
    topologies: [{ exchange, queues: [{ name: shipping, lengthMax }] }],
    management,
  })
  return Object.fromEntries(items.map(({ kind, name, state }) => [`${kind} ${name}`, state]))
}

/** Declares by hand what differs from ours. */
async function withChannel(
  work: (raw: Awaited<ReturnType<Broker['openChannel']>>['raw']) => Promise<unknown>,
) {
  const channel = await broker.openChannel({ confirm: true })
  try {
    await work(channel.raw)
  } finally {
    await channel.close()
  }
}

const quorum = (given: object): Options.AssertQueue => ({
  durable: true,
  arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 1_000_000, ...given },
})

test('a plan of what is not there lists all of it, and declares none of it', async () => {
  const names = newNames()
  const { exchange, history, shipping } = names
  for (const management of [undefined, managed.management]) {
    const all = await states(names, { management })
    assert.deepEqual(all, {
      [`exchange ${exchange}`]: 'missing',
      [`queue ${deadQueueOf(history)}`]: 'missing',
      [`queue ${history}`]: 'missing',
      [`binding ${history}`]: 'missing',
      [`queue ${deadQueueOf(shipping)}`]: 'missing',
      [`queue ${shipping}`]: 'missing',
      [`binding ${shipping}`]: 'missing',
    })
  }
})

test('what was applied is what a consumer declares: the next plan has nothing to do', async () => {
  const { exchange, shipping } = newNames()
  const topologies = [{ exchange, queues: [shipping, { name: `${exchange}.billing`, lengthMax: 100 }] }]
  const before = await applyTopology(broker, { topologies, management: managed.management })
  assert.ok(before.items.every(({ state }) => state === 'missing'))
  await declareTopology(broker, topologies[0]!)
  for (const management of [undefined, managed.management]) {
    const plan = await planTopology(broker, { topologies, management })
    assert.equal(plan.isUpToDate, true)
    assert.deepEqual(plan.toDelete, [])
    assert.equal(plan.notJudged.length, management === undefined ? 3 : 0, 'each binding, without management')
  }
})

test('a plan over AMQP names the first argument that differs, with both values, and what is lost with the queue', async () => {
  const { exchange, history } = newNames()
  await declareTopology(broker, { exchange })
  await withChannel(async (raw) => {
    await raw.deleteQueue(history)
    await raw.assertQueue(history, quorum({ 'x-max-length': 7 }))
    await raw.bindQueue(history, exchange, '')
    raw.publish(exchange, '', Buffer.from('kept'))
    await raw.waitForConfirms()
  })
  const plan = await planTopology(broker, { topologies: [{ exchange }] })
  const { state, differences } = plan.items.find(({ kind, name }) => kind === 'queue' && name === history)!
  assert.equal(state, 'differs')
  assert.equal(differences.length, 1)
  const [{ property, wanted, found }] = differences as [(typeof differences)[0]]
  const all: Record<string, unknown[]> = {
    'x-max-length': [undefined, 7],
    'x-dead-letter-exchange': ['', undefined],
    'x-dead-letter-routing-key': [deadQueueOf(history), undefined],
    'x-dead-letter-strategy': ['at-least-once', undefined],
    'x-overflow': ['reject-publish', undefined],
    'x-single-active-consumer': [true, undefined],
  }
  assert.deepEqual([wanted, found], all[property])
  assert.deepEqual(
    plan.toDelete.map(({ kind, name, messages }) => ({ kind, name, messages })),
    [{ kind: 'queue', name: history, messages: 1 }],
  )
  assert.ok(plan.notJudged.some(({ what }) => what === `further differences of queue ${history}`))

  const whole = await planTopology(broker, { topologies: [{ exchange }], management: managed.management })
  const seen = whole.items.find(({ kind, name }) => kind === 'queue' && name === history)!
  assert.deepEqual(
    Object.fromEntries(seen.differences.map((one) => [one.property, [one.wanted, one.found]])),
    all,
    'with the management API each one',
  )
  assert.deepEqual(whole.notJudged, [])
})

test('of an exchange that is there as something else the bindings are planned, each of them, and it is left', async () => {
  const names = newNames()
  const { exchange, history, shipping } = names
  await withChannel((raw) => raw.assertExchange(exchange, 'topic', { durable: false }))
  const wholly = { topologies: [{ exchange, queues: [shipping] }], management: managed.management }
  assert.deepEqual((await states(names, wholly))[`exchange ${exchange}`], 'present')
  await applyTopology(broker, wholly)
  assert.equal((await planTopology(broker, wholly)).isUpToDate, true)
  const bindings = [{ routingKey: '#' }, { routingKey: 'a.*', arguments: { n: 1 } }]
  const partly = { ...wholly, topologies: [{ exchange, queues: [shipping], bindings }] }
  const missing = (await planTopology(broker, partly)).items.filter(({ state }) => state === 'missing')
  assert.deepEqual(
    missing.map(({ kind, name }) => `${kind} ${name}`),
    [`binding ${history}`, `binding ${shipping}`],
  )
  await applyTopology(broker, partly)
  assert.equal((await planTopology(broker, partly)).isUpToDate, true)
  const { findings } = await lintTopology(broker, partly)
  assert.ok(findings.every(({ code }) => code === 'TOPOLOGY_QUEUE_UNCONSUMED'))
})

test('where something differs nothing at all is declared, and the error names each difference', async () => {
  const names = newNames()
  await withChannel((raw) => raw.assertExchange(names.exchange, 'direct', { durable: false }))
  const { exchange, shipping } = names
  for (const management of [undefined, managed.management]) {
    await assert.rejects(
      applyTopology(broker, { topologies: [{ exchange, queues: [shipping] }], management }),
      (error) =>
        error instanceof BrokerError &&
        error.code === 'BROKER_TOPOLOGY_MISMATCH' &&
        /type is "direct", not "fanout"/.test(error.message) &&
        (management === undefined || /durable is false, not true/.test(error.message)),
    )
  }
  assert.equal((await states(names))[`queue ${shipping}`], 'missing')
})

test('a queue that becomes bounded is to be deleted, with its dead-letter queue', async () => {
  const { exchange, shipping } = newNames()
  await declareTopology(broker, { exchange, queues: [shipping] })
  const topologies = [{ exchange, queues: [{ name: shipping, lengthMax: 10 }] }]
  const first = await planTopology(broker, { topologies, management: managed.management })
  assert.deepEqual(
    first.toDelete.map(({ name }) => name),
    [shipping, deadQueueOf(shipping)],
  )
  await withChannel(async (raw) => {
    await raw.deleteQueue(shipping)
    await raw.deleteQueue(deadQueueOf(shipping))
  })
  await applyTopology(broker, { topologies })
  assert.equal((await planTopology(broker, { topologies, management: managed.management })).isUpToDate, true)
})

/** The findings' codes and queues, once the management plugin has its news of everything. */
async function lint(
  { exchange, shipping }: Names,
  {
    queues = [shipping],
    ...options
  }: Partial<TopologyLintOptions> & { queues?: readonly QueueToDeclare[] } = {},
): Promise<{ found: string[]; lint: TopologyLint }> {
  const topologies = [{ exchange, queues }]
  let result: TopologyLint | undefined
  await until('the management plugin knows all', async () => {
    result = await lintTopology(broker, { topologies, management: managed.management, ...options })
    return !result.notJudged.some(({ why }) => why.includes('try again'))
  })
  const found = result!.findings.map(({ code, queue = '' }) => `${code} ${queue}`.trim())
  return { found: found.sort(), lint: result! }
}

/** A topology with a consumer on both queues: a lint finds nothing. */
async function soundTopology(t: TestContext): Promise<Names> {
  const names = newNames()
  await declareTopology(broker, { exchange: names.exchange, queues: [names.shipping] })
  await consume(t, names.history)
  await consume(t, names.shipping)
  return names
}

async function consume(t: TestContext, queue: string, { prefetch = 10, global = false } = {}): Promise<void> {
  const channel = await broker.openChannel()
  t.after(() => channel.close())
  await channel.raw.prefetch(prefetch, global)
  await channel.raw.consume(queue, () => {})
}

test('a sound topology has no finding, and without the management API what was not looked at is listed', async (t) => {
  const names = await soundTopology(t)
  assert.deepEqual((await lint(names)).found, [])
  assert.deepEqual((await lint(names, { forVersion: '4.3' })).found, [])
  const { exchange, shipping } = names
  const overAmqp = await lintTopology(broker, { topologies: [{ exchange, queues: [shipping] }] })
  assert.deepEqual(overAmqp.findings, [])
  assert.deepEqual(
    overAmqp.notJudged.map(({ what }) => what),
    [
      `binding of ${names.history} to exchange ${exchange}`,
      `binding of ${shipping} to exchange ${exchange}`,
      `alternate exchange, policies, prefetch and further queues of exchange ${exchange}`,
    ],
  )
})

test('a recorder and its exchange, as they are started, are sound', async (t) => {
  const exchange = uniqueName()
  const history = join(await temporaryFolder(t), 'history.db')
  const recorder = startRecorder({ broker: managed.url, exchange, history })
  t.after(() => recorder.close())
  await until('recording', () => recorder.status.state === 'recording')
  const { found } = await lint({ exchange, history: historyQueueOf(exchange), shipping: '' }, { queues: [] })
  assert.deepEqual(found, [])
})

test('a history queue and a consumer queue that are not bound are findings', async (t) => {
  const names = await soundTopology(t)
  await managed.unbind(names.exchange, names.history)
  await managed.unbind(names.exchange, names.shipping)
  assert.deepEqual((await lint(names)).found, [
    `TOPOLOGY_HISTORY_UNBOUND ${names.history}`,
    `TOPOLOGY_QUEUE_UNBOUND ${names.shipping}`,
  ])
})

test('what is missing, and who takes dead letters, is found without the management API too', async () => {
  const names = newNames()
  const { exchange, history, shipping } = names
  await declareTopology(broker, { exchange, queues: [shipping] })
  await withChannel(async (raw) => {
    await raw.deleteQueue(deadQueueOf(shipping))
    await raw.deleteQueue(history)
  })
  const { findings } = await lintTopology(broker, { topologies: [{ exchange, queues: [shipping] }] })
  assert.deepEqual(
    findings.map(({ code, queue }) => `${code} ${queue}`),
    [
      `TOPOLOGY_MISSING ${history}`,
      `TOPOLOGY_DEAD_QUEUE_MISSING ${deadQueueOf(shipping)}`,
      `TOPOLOGY_QUEUE_UNCONSUMED ${shipping}`,
    ],
  )
})

test('dead letters and a queue that nobody consumes are findings', async (t) => {
  const names = newNames()
  const { exchange, history, shipping } = names
  await declareTopology(broker, { exchange, queues: [shipping] })
  await consume(t, history)
  await withChannel(async (raw) => {
    raw.publish(exchange, '', Buffer.from('poison'))
    await raw.waitForConfirms()
    await new Promise<void>((resolve) => {
      void raw.consume(shipping, (message) => {
        raw.nack(message!, false, false)
        resolve()
      })
    })
    await until(
      'it is dead-lettered',
      async () => (await raw.checkQueue(deadQueueOf(shipping))).messageCount === 1,
    )
  })
  assert.deepEqual((await lint(names)).found, [
    `TOPOLOGY_DEAD_LETTERS ${deadQueueOf(shipping)}`,
    `TOPOLOGY_QUEUE_UNCONSUMED ${shipping}`,
  ])
})

test('a queue or an exchange that nobody named is a finding, until it is named; one of a connection is none', async (t) => {
  const names = await soundTopology(t)
  const tap = `${names.exchange}.tap`
  const own = connectBroker({ url: managed.url })
  t.after(() => own.close())
  const ownChannel = await own.openChannel()
  const { queue } = await ownChannel.raw.assertQueue('', { exclusive: true })
  await ownChannel.raw.bindQueue(queue, names.exchange, '')
  await withChannel(async (raw) => {
    await raw.assertQueue(tap, quorum({}))
    await raw.bindQueue(tap, names.exchange, '')
    await raw.bindExchange('amq.fanout', names.exchange, '')
  })
  await consume(t, tap)
  assert.deepEqual((await lint(names)).found, ['TOPOLOGY_QUEUE_UNKNOWN', `TOPOLOGY_QUEUE_UNKNOWN ${tap}`])
  await withChannel((raw) => raw.unbindExchange('amq.fanout', names.exchange, ''))
  assert.deepEqual((await lint(names, { knownQueues: [tap] })).found, [])
})

test('an alternate exchange is found, by argument and by policy', async (t) => {
  const byArgument = newNames()
  await withChannel((raw) =>
    raw.assertExchange(byArgument.exchange, 'fanout', { durable: true, alternateExchange: 'amq.fanout' }),
  )
  const { found } = await lint(byArgument)
  assert.ok(found.includes('TOPOLOGY_ALTERNATE_EXCHANGE'))
  // It is somebody else's, and left as it is.
  assert.ok(!found.includes('TOPOLOGY_DIFFERS'))

  const byPolicy = await soundTopology(t)
  await managed.setPolicy(byPolicy.exchange, `^${byPolicy.exchange}$`, { 'alternate-exchange': 'amq.fanout' })
  assert.deepEqual((await lint(byPolicy)).found, ['TOPOLOGY_ALTERNATE_EXCHANGE'])
})

test('a policy that lets our queues drop messages is found, with what it sets', async (t) => {
  const names = await soundTopology(t)
  await managed.setPolicy(names.exchange, `^${names.history}$`, { 'message-ttl': 60_000, 'max-length': 5 })
  await until('the policy shows', async () => (await lint(names)).found.length > 0)
  const { found, lint: result } = await lint(names)
  // With a bound of the policy's, our reject-publish refuses publishes.
  assert.deepEqual(found, [
    `TOPOLOGY_POLICY_OVERRIDES ${names.history}`,
    `TOPOLOGY_REJECT_PUBLISH ${names.history}`,
  ])
  const { message } = result.findings.find(({ code }) => code === 'TOPOLOGY_POLICY_OVERRIDES')!
  assert.match(message, /max-length 5, message-ttl 60000/)
})

test('a full queue that would have every publish nacked is found, whoever declared it', async (t) => {
  const names = await soundTopology(t)
  const tap = `${names.exchange}.tap`
  await withChannel(async (raw) => {
    await raw.assertQueue(tap, quorum({ 'x-max-length': 1, 'x-overflow': 'reject-publish' }))
    await raw.bindQueue(tap, names.exchange, '')
  })
  await consume(t, tap)
  assert.deepEqual((await lint(names, { knownQueues: [tap] })).found, [`TOPOLOGY_REJECT_PUBLISH ${tap}`])
})

test('a delivery limit is judged by what the version makes of it', async (t) => {
  const names = await soundTopology(t)
  const [endless, none] = [`${names.exchange}.endless`, `${names.exchange}.none`]
  await withChannel(async (raw) => {
    await raw.assertQueue(endless, quorum({ 'x-delivery-limit': -1 }))
    await raw.assertQueue(none, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    for (const queue of [endless, none]) await raw.bindQueue(queue, names.exchange, '')
  })
  for (const queue of [endless, none]) await consume(t, queue)
  const knownQueues = [endless, none]
  const found = async (forVersion: string) => (await lint(names, { knownQueues, forVersion })).found
  assert.deepEqual(await found('3.10'), [`TOPOLOGY_DELIVERY_LIMIT ${endless}`])
  assert.deepEqual(await found('4.0'), [`TOPOLOGY_DELIVERY_LIMIT ${none}`])
})

test('what RabbitMQ 4.3 refuses is found before an upgrade to it, and not before that', async (t) => {
  const names = await soundTopology(t)
  const lazy = `${names.exchange}.lazy`
  const greedy = `${names.exchange}.greedy`
  await withChannel(async (raw) => {
    await raw.assertQueue(lazy, { durable: false, arguments: { 'x-queue-mode': 'lazy' } })
    await raw.assertQueue(greedy, quorum({}))
    for (const queue of [lazy, greedy]) await raw.bindQueue(queue, names.exchange, '')
  })
  await consume(t, lazy, { global: true })
  await consume(t, greedy, { prefetch: 3_000 })
  const knownQueues = [lazy, greedy]
  const judge = () => lint(names, { knownQueues, forVersion: '4.3' })
  // The plugin may know the channel as it was before its prefetch was set.
  await until('the prefetch shows', async () => {
    const { found, lint: result } = await judge()
    return result.notJudged.length > 0 || found.some((one) => one.includes('GLOBAL_QOS'))
  })
  const { found, lint: result } = await judge()
  const isTold = result.notJudged.length === 0
  assert.deepEqual(found, [
    `TOPOLOGY_ARGUMENT_DENIED ${lazy}`,
    ...(isTold ? [`TOPOLOGY_GLOBAL_QOS ${lazy}`] : []),
    `TOPOLOGY_PREFETCH_CAPPED ${greedy}`,
    `TOPOLOGY_QUEUE_TRANSIENT ${lazy}`,
  ])
  // RabbitMQ 4 does not tell of a global prefetch.
  if (!isTold)
    assert.match(result.notJudged.map(({ what }) => what).join(), new RegExp(`global prefetch .* ${lazy}`))
  assert.deepEqual((await lint(names, { knownQueues, forVersion: '4.2' })).found, [])
})

test('a version before 3.10 is a finding', async (t) => {
  const names = await soundTopology(t)
  assert.deepEqual((await lint(names, { forVersion: '3.9' })).found, ['TOPOLOGY_VERSION_UNSUPPORTED'])
})

test('what a user may not declare is not judged over AMQP, and judged with the management API', async (t) => {
  const { exchange, history } = newNames()
  await declareTopology(broker, { exchange })
  const reader = connectBroker({ url: await managed.addReader(exchange) })
  t.after(() => reader.close())
  const overAmqp = await planTopology(reader, { topologies: [{ exchange }] })
  assert.deepEqual(new Set(overAmqp.items.map(({ state }) => state)), new Set(['unknown']))
  assert.equal(overAmqp.notJudged.length, overAmqp.items.length)
  const plan = await planTopology(reader, { topologies: [{ exchange }], management: managed.management })
  assert.ok(plan.items.every(({ state }) => state === 'present'))
  assert.deepEqual(plan.notJudged, [])
  await withChannel((raw) => raw.deleteQueue(history))
  const { items } = await planTopology(reader, { topologies: [{ exchange }] })
  assert.equal(items.find(({ kind, name }) => kind === 'queue' && name === history)?.state, 'missing')
})

test('the management API is asked for the virtual host that the broker URL names', async (t) => {
  const { exchange } = newNames()
  const topologies = [{ exchange }]
  const elsewhere = connectBroker({ url: await managed.addVirtualHost(`${exchange}/b c`) })
  t.after(() => elsewhere.close())
  await applyTopology(elsewhere, { topologies })
  const { management } = managed
  assert.equal((await planTopology(elsewhere, { topologies, management })).isUpToDate, true)
  assert.equal((await planTopology(broker, { topologies, management })).isUpToDate, false)
})

test('a wrong password of the management API is told, and shown nowhere', async () => {
  const { exchange } = newNames()
  const management = managed.management.replace('guest:guest', 'guest:hunter2')
  await assert.rejects(
    planTopology(broker, { topologies: [{ exchange }], management }),
    (error) =>
      error instanceof BrokerError &&
      error.code === 'BROKER_ACCESS_REFUSED' &&
      !/hunter2/.test(`${error.message}${String(error.cause)}`),
  )
})

test('backstory topology plans, applies and lints the consumers of a module', async (t) => {
  const cwd = await temporaryFolder(t)
  const { exchange, history } = newNames()
  await writeFile(
    join(cwd, 'consumers.mjs'),
    `const on = { '*': () => {} }
    export default { name: 'shipping', exchange: '${exchange}', on }
    export const billing = { name: 'billing', exchange: '${exchange}', on, queueLengthMax: 10_000 }
    export const limit = 10_000`,
  )
  const env = { BACKSTORY_BROKER: managed.url, BACKSTORY_MANAGEMENT: managed.management }
  const run = (line: string) => runCli(['topology', ...line.split(' ')], { cwd, env })
  const planned = await run(`plan ${exchange} --consumer consumers.mjs`)
  assert.equal(planned.code, 1, planned.stderr)
  assert.match(planned.stdout, new RegExp(`missing +queue +${exchange}.billing +- +- +to be declared`))
  assert.match(planned.stderr, /9 to declare, 0 with other properties, 0 to delete/)
  const applied = await run(`apply ${exchange} --consumer consumers.mjs`)
  assert.equal(applied.code, 0, applied.stderr)
  assert.match(applied.stderr, /Declared 9 of 9/)
  const again = await run(`plan ${exchange} --consumer consumers.mjs --json`)
  assert.equal(again.code, 0, again.stderr)
  assert.equal((JSON.parse(again.stdout) as { isUpToDate: boolean }).isUpToDate, true)

  const { BACKSTORY_BROKER } = env
  const args = ['topology', 'lint', exchange, '--consumer', 'consumers.mjs']
  const linted = await runCli(args, { cwd, env: { BACKSTORY_BROKER } })
  assert.equal(linted.code, 1)
  assert.match(linted.stdout, new RegExp(`TOPOLOGY_QUEUE_UNCONSUMED\n {2}Nobody consumes queue ${history}`))
  assert.match(linted.stderr, new RegExp(`Not judged: binding of ${history}`))
  const json = await run(`lint ${exchange} --consumer consumers.mjs --for-version 4.3 --json`)
  const { version, findings } = JSON.parse(json.stdout) as TopologyLint
  assert.deepEqual([json.code, version, findings[0]?.exchange], [1, '4.3', exchange])

  await withChannel((raw) => raw.deleteQueue(`${exchange}.billing`))
  await withChannel((raw) => raw.assertQueue(`${exchange}.billing`, quorum({})))
  const refused = await run(`apply ${exchange} --consumer consumers.mjs`)
  assert.equal(refused.code, 3)
  assert.match(refused.stderr, /BROKER_TOPOLOGY_MISMATCH/)
  assert.match(refused.stderr, /x-max-length is not set, not 10000/)
})

for (const [line, message] of [
  ['plan invoices --consumer consumers.mjs', /name that exchange too/],
  ['plan orders --consumer none.mjs', /exports no consumer/],
  ['plan orders --management amqp://guest:hunter2@host', /must be a URL such as http:/],
  ['lint orders --for-version latest', /must be a version such as 4.3/],
] as const) {
  test(`backstory topology ${line} is refused before anything is asked of a broker`, async (t) => {
    const cwd = await temporaryFolder(t)
    await writeFile(
      join(cwd, 'consumers.mjs'),
      `export default { name: 'shipping', exchange: 'orders', on: { '*': () => {} } }`,
    )
    await writeFile(join(cwd, 'none.mjs'), 'export const limit = 3')
    const env = { BACKSTORY_BROKER: 'amqp://127.0.0.1:1' }
    const { code, stderr } = await runCli(['topology', ...line.split(' '), '--wait-broker', '0'], {
      cwd,
      env,
    })
    assert.equal(code, 2)
    assert.match(stderr, message)
    assert.doesNotMatch(stderr, /hunter2/)
  })
}

test('an exchange with partitions is planned, applied and linted as a whole, and what is unbound in it is found', async (t) => {
  const { exchange } = newNames()
  const [first, second] = partitionExchangesOf(exchange, 2) as [string, string]
  const hash = `${exchange}.partitions`
  const shipping = `${second}.shipping-2`
  const { management } = managed
  const asked = {
    topologies: [
      { exchange, partitions: 2 },
      { exchange: second, queues: [shipping] },
    ],
    management,
  }
  const before = await applyTopology(broker, asked)
  assert.deepEqual(
    before.items.filter(({ name }) => !name.endsWith('.dead')).map(({ kind, name }) => `${kind} ${name}`),
    [
      `exchange ${exchange}`,
      `exchange ${hash}`,
      `binding ${hash}`,
      `binding ${first}`,
      `binding ${second}`,
      ...[`exchange ${first}`, `queue ${historyQueueOf(first)}`, `binding ${historyQueueOf(first)}`],
      ...[`exchange ${second}`, `queue ${historyQueueOf(second)}`, `binding ${historyQueueOf(second)}`],
      ...[`queue ${shipping}`, `binding ${shipping}`],
    ],
  )
  assert.ok(before.items.every(({ state }) => state === 'missing'))
  await using publisher = openPublisher({ broker, exchange, partitions: 2, source: '/shop' })
  await publisher.publish({ type: 'placed', subject: '1' })
  const overAmqp = await planTopology(broker, { topologies: [{ exchange }] })
  assert.equal(overAmqp.isUpToDate, true)
  assert.equal(overAmqp.items.length, 5 + 2 * 4, 'named alone, it is planned with its partitions')
  assert.equal((await planTopology(broker, asked)).isUpToDate, true)
  await assert.rejects(planTopology(broker, { topologies: [{ exchange, partitions: 3 }] }), {
    code: 'BROKER_TOPOLOGY_MISMATCH',
    message: /has 2 partitions, and 3 are asked for/,
  })

  for (const queue of [historyQueueOf(first), historyQueueOf(second), shipping]) await consume(t, queue)
  const found = async (options: Partial<TopologyLintOptions> = {}) => {
    let result: TopologyLint | undefined
    await until('the management plugin knows all', async () => {
      result = await lintTopology(broker, { ...asked, ...options })
      return !result.notJudged.some(({ why }) => why.includes('try again'))
    })
    return result!.findings.map(({ code, message }) => `${code} ${message.split(',')[0]}`).sort()
  }
  assert.deepEqual(await found(), [])
  assert.deepEqual(await found({ topologies: [{ exchange }], knownQueues: [shipping] }), [])
  await withChannel(async (raw) => {
    await raw.unbindExchange(hash, exchange, '')
    await raw.unbindExchange(second, hash, second)
    await raw.assertQueue(historyQueueOf(exchange), quorum({}))
    await raw.bindQueue(historyQueueOf(exchange), exchange, '')
  })
  const findings = await found()
  const codes = [
    'TOPOLOGY_HISTORY_UNBOUND',
    'TOPOLOGY_PARTITION_UNBOUND',
    'TOPOLOGY_QUEUE_UNCONSUMED',
    'TOPOLOGY_QUEUE_UNKNOWN',
  ]
  assert.deepEqual(
    findings.map((finding) => finding.split(' ')[0]),
    codes,
  )
  await applyTopology(broker, asked)
  assert.equal((await planTopology(broker, asked)).isUpToDate, true)
})

test('the command line takes the partitions of an exchange from its consumers, and refuses two numbers of them', async (t) => {
  const cwd = await temporaryFolder(t)
  const { exchange } = newNames()
  const consumerOf = (name: string, more: string) =>
    `export const ${name} = { name: '${name}', exchange: '${exchange}', on: {}, ${more} }\n`
  await writeFile(join(cwd, 'parted.mjs'), consumerOf('shipping', 'partitions: 2, queueLengthMax: 9'))
  await writeFile(join(cwd, 'whole.mjs'), consumerOf('billing', ''))
  const run = (line: string) => runCli(['topology', ...line.split(' '), '--broker', managed.url], { cwd })
  const planned = await run(`plan ${exchange} --consumer parted.mjs --json`)
  assert.equal(planned.code, 1, planned.stderr)
  const { items } = JSON.parse(planned.stdout) as { items: { kind: string; name: string }[] }
  const queues = items.filter(({ kind, name }) => kind === 'queue' && !name.endsWith('.dead'))
  assert.deepEqual(
    queues.map(({ name }) => name.slice(exchange.length)),
    ['.1of2.history', '.1of2.shipping-1', '.2of2.history', '.2of2.shipping-2'],
  )
  for (const line of ['--partitions 4 --consumer parted.mjs', '--consumer whole.mjs --consumer parted.mjs']) {
    const { code, stderr } = await run(`apply ${exchange} ${line}`)
    assert.equal(code, 2, stderr)
    assert.match(stderr, /^CLI_MODULE_INVALID: .*it has one number of them/)
  }
  const applied = await run(`apply ${exchange} --partitions 2`)
  assert.equal(applied.code, 0, applied.stderr)
  assert.match(applied.stderr, /^Declared 13 of 13$/m)
  const linted = await run(`lint ${exchange}`)
  assert.equal(linted.stderr.match(/^Not judged: /gm)?.length, 6, linted.stderr)
  assert.match(linted.stderr, /^Not judged: 4 more, which --json lists /m)
})
