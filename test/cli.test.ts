import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connectBroker, declareTopology, historyQueueOf, redactUrl } from '../broker/index.ts'
import { runCli } from '../scripts/cli/run-cli.fixture.ts'
import { type Place, placeFor } from './fixtures/backstory.ts'
import { ownBroker, testBroker } from './fixtures/broker.ts'
import { deleteTopology, uniqueName } from './fixtures/names.ts'
import { until } from './fixtures/until.ts'

interface Setting extends Place {
  readonly url: string
  readonly exchange: string
}

async function setup(t: TestContext): Promise<Setting> {
  const url = await testBroker()
  const exchange = uniqueName()
  t.after(() => deleteTopology(url, exchange, [`${exchange}.shipping`]))
  return { ...placeFor(t, url), url, exchange }
}

/** A consumer in TypeScript that keeps subjects in a table, written where it is started from. */
function writeConsumer({ folder, exchange }: Setting, handler = 'tx.run(subject)'): void {
  writeFileSync(
    join(folder, 'shipping.ts'),
    `import { defineConsumer } from 'backstory'
    const name: string = 'shipping'
    export default defineConsumer({
      name,
      exchange: '${exchange}',
      retry: { attempts: 2, backoffMs: 1 },
      parking: false,
      prepare(database) {
        database.exec('CREATE TABLE IF NOT EXISTS orders (subject TEXT PRIMARY KEY)')
        return database.prepare('INSERT INTO orders VALUES (?)')
      },
      on: { 'order.placed': ({ subject }, { tx }) => { ${handler} } },
    })`,
  )
}

const order = (n: number) => JSON.stringify({ type: 'order.placed', subject: `EC-${n}`, data: { n } })
const orders = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `${order(from + index)}\n`).join('')
const parsed = (text: string) => JSON.parse(text.trim().split('\n').at(-1)!) as Record<string, unknown>

test('publish, record, look, bootstrap a late consumer, certify, copy: each a process of its own', async (t) => {
  const setting = await setup(t)
  const { exchange, run, start, shell, url } = setting
  const recorder = start(`record ${exchange}`)
  await recorder.says(/Recording/)

  const input = `\ufeff${orders(1, 1_500)}\r\nnope\n${order(1_501)}`
  const published = await run(`publish ${exchange} - --json`, { stdin: input })
  assert.deepEqual(parsed(published.stdout), { published: 1_501, rejected: 1 })
  assert.equal(published.code, 1)
  assert.match(published.stderr, /^Line 1502: is no JSON/m)
  const one = await shell(
    `backstory publish ${exchange} --type order.placed --subject one --data '{"n": 1.50}'`,
  )
  assert.equal(one.stdout, '1 published, 0 rejected\n')
  assert.equal(one.code, 0)

  writeConsumer(setting)
  const bootstrap = await run('bootstrap shipping.ts --settle 0 --json')
  assert.equal(bootstrap.code, 0, bootstrap.stderr)
  const certificate = parsed(bootstrap.stdout)
  assert.equal(certificate.complete, true)
  assert.equal(certificate.applied, 1_502)
  assert.match(bootstrap.stderr, new RegExp(`Queue ${exchange}\\.shipping stays bound`))

  const certified = await run('consumers certificate shipping.db --level')
  assert.equal(certified.code, 0, certified.stdout)
  const head = parsed((await run('history head --json')).stdout)
  assert.deepEqual([head.head, head.checksum], [1_502, certificate.checksum])
  assert.match((await run('history show 1502')).stdout, /"n": 1\.50$/m)

  const copy = uniqueName('copy')
  t.after(() => deleteTopology(url, copy))
  const copied = await shell(`backstory history list --limit 0 --json | backstory publish ${copy}`)
  assert.equal(copied.stdout, '1,502 published, 0 rejected\n', copied.stderr)

  recorder.signal('SIGTERM')
  const { code, stdout, stderr } = await recorder.ended
  assert.equal(code, 0)
  assert.equal(stdout, '')
  assert.match(stderr, /Recorded 1,502 events in \d+ s; the history of .* ends at position 1,502\n$/)
})

test('record tells its status as JSON, ends when nobody reads it, and lets a standby take over', async (t) => {
  const { exchange, run, start, shell } = await setup(t)
  const first = start(`record ${exchange} --json --every 0.1`)
  await first.prints(/"state":"recording"/)
  const refused = await run(`record ${exchange}`)
  assert.equal(refused.code, 4)
  assert.match(refused.stderr, /^HISTORY_LOCKED: [^\n]+\n$/m)
  const standby = start(`record ${exchange} --standby`)
  await standby.says(/standing by/)
  first.signal('SIGINT')
  const { code, stdout } = await first.ended
  assert.equal(code, 0)
  assert.equal(parsed(stdout).state, 'stopped')
  await standby.says(/Recording/)
  standby.signal('SIGTERM')
  assert.equal((await standby.ended).code, 0)
  const piped = await shell(`backstory record ${exchange} --json --every 0.1 | head -n 1`)
  assert.equal(piped.code, 0, piped.stderr)
  assert.equal(parsed(piped.stdout).exchange, exchange)
})

test('bootstrap --live goes on live and certifies when it is told to end', async (t) => {
  const setting = await setup(t)
  const { exchange, run, start, folder: cwd } = setting
  writeConsumer(setting)
  const recorder = start(`record ${exchange}`)
  await recorder.says(/Recording/)
  await run(`publish ${exchange}`, { stdin: orders(1, 20) })
  const consumer = start('bootstrap shipping.ts --live --settle 0 --json')
  await consumer.says(/has caught up/)
  await run(`publish ${exchange}`, { stdin: orders(21, 25) })
  const status = async () =>
    parsed((await runCli(['consumers', 'status', 'shipping.db', '--json'], { cwd })).stdout)
  await until('25 are applied', async () => (await status()).applied === 25)
  consumer.signal('SIGTERM')
  const { code, stdout } = await consumer.ended
  assert.equal(code, 0)
  const { applied, complete } = parsed(stdout)
  assert.deepEqual({ applied, complete }, { applied: 25, complete: true })
  assert.equal((await status()).phase, 'stopped')
})

test('a handler that fails ends bootstrap with one line, with --verbose its stack too', async (t) => {
  const setting = await setup(t)
  const { exchange, run, start } = setting
  writeConsumer(setting, "throw new Error('no such car')")
  const recorder = start(`record ${exchange}`)
  await recorder.says(/Recording/)
  await run(`publish ${exchange}`, { stdin: orders(1, 1) })
  const { code, stdout, stderr } = await run('bootstrap shipping.ts --settle 0')
  assert.equal(code, 5)
  assert.equal(stdout, '')
  assert.match(stderr, /\nCONSUMER_HANDLER_FAILED: [^\n]*no such car[^\n]*\n$/)
  assert.doesNotMatch(stderr, /\n +at /)
  const verbose = await run('bootstrap shipping.ts --settle 0 --verbose')
  assert.match(verbose.stderr, /caused by Error: no such car\n +at [^\n]*shipping\.ts/)
})

test('without a recorder bootstrap says what it waits for, and a signal ends it', async (t) => {
  const setting = await setup(t)
  writeConsumer(setting)
  const consumer = setting.start('bootstrap shipping.ts --settle 0')
  await consumer.says(/Consumer shipping waits for the history \([^\n]*backstory-history\.db does not exist/)
  consumer.signal('SIGINT')
  const { code, stdout, stderr } = await consumer.ended
  assert.equal(code, 130)
  assert.equal(stdout, '')
  assert.match(stderr, /CLI_INTERRUPTED: Ended by SIGINT before it was done\n$/)
})

test('an interrupted publish confirms what it has sent, and counts exactly that', async (t) => {
  const { exchange, start, url } = await setup(t)
  const publisher = start(`publish ${exchange} --json`)
  // Its input stays open: only the signal can end it.
  publisher.stdin.write(orders(1, 300))
  const broker = connectBroker({ url })
  t.after(() => broker.close())
  await declareTopology(broker, { exchange })
  const { raw } = await broker.openChannel()
  const queued = async () => (await raw.checkQueue(`${exchange}.history`)).messageCount
  await until('the first events are in the queue', async () => (await queued()) > 0)
  publisher.signal('SIGINT')
  const { code, stdout } = await publisher.ended
  assert.equal(code, 130)
  const { published, rejected } = parsed(stdout)
  assert.equal(rejected, 0)
  await until(`${published} events are in the queue`, async () => (await queued()) === published)
})

test('publish waits for a broker that was killed, and every event arrives once', async (t) => {
  const broker = await ownBroker(t)
  const { start, folder: cwd } = placeFor(t, broker.url)
  const recorder = start('record orders --every 3')
  // RabbitMQ 3.10 that is killed within a second of a queue's making leaves that queue without a leader.
  await recorder.says(/recording, head 0/)
  const publisher = start('publish orders --json')
  publisher.stdin.write(orders(1, 3_000))
  await publisher.says(/Connected/)
  await broker.kill()
  publisher.stdin.end(orders(3_001, 6_000))
  await publisher.says(/does not answer/)
  await broker.start()
  const { code, stdout, stderr } = await publisher.ended
  assert.equal(code, 0, stderr)
  assert.deepEqual(parsed(stdout), { published: 6_000, rejected: 0 })
  await recorder.says(/Connected[\s\S]*Connected/)
  const head = async () => parsed((await runCli(['history', 'head', '--json'], { cwd })).stdout).head
  await until('6,000 are recorded', async () => (await head()) === 6_000)
})

test('a broker that does not answer: a line and retries, then BROKER_UNREACHABLE, and no password', async (t) => {
  const { exchange, run } = await setup(t)
  const url = 'amqp://user:secret@127.0.0.1:1'
  const { code, stdout, stderr } = await run(`record ${exchange} --broker ${url} --wait-broker 2`)
  assert.equal(code, 3)
  assert.equal(stdout, '')
  const [told, last, ...more] = stderr.trimEnd().split('\n')
  assert.match(told!, /^RabbitMQ at amqp:\/\/127\.0\.0\.1:1 does not answer \(.*\); trying again/)
  assert.match(last!, /^BROKER_UNREACHABLE: /)
  assert.deepEqual(more, [])
  assert.doesNotMatch(stderr, /secret/)
})

test('a wrong password ends at once, and so do an exchange that nothing binds whole and another queue of its name: exit code 3, one line', async (t) => {
  const { exchange, run, url, folder: cwd } = await setup(t)
  const { host } = new URL(url)
  const refused = await run(`publish ${exchange} --type t --broker amqp://guest:secret@${host}`)
  assert.equal(refused.code, 3)
  assert.match(refused.stderr, /^BROKER_ACCESS_REFUSED: [^\n]+\n$/)
  assert.doesNotMatch(refused.stderr, /secret/)
  const broker = connectBroker({ url })
  t.after(() => broker.close())
  const { raw } = await broker.openChannel()
  const ends = async (code: string) => {
    for (const line of [`publish ${exchange} --type t`, `record ${exchange}`]) {
      const ended = await runCli(line.split(' '), { cwd, env: { BACKSTORY_BROKER: url } })
      assert.equal(ended.code, 3)
      assert.match(ended.stderr, new RegExp(`\\n${code}: [^\\n]+\\n$`))
    }
  }
  await raw.assertExchange(exchange, 'direct', { durable: true })
  await ends('BROKER_BINDINGS_UNKNOWN')
  await raw.deleteExchange(exchange)
  await raw.assertQueue(historyQueueOf(exchange), { durable: true })
  await ends('BROKER_TOPOLOGY_MISMATCH')
})

test('what can never be is wrong usage at once: an exchange whose queues could have no name, a feed to write to', async (t) => {
  const { exchange, run } = await setup(t)
  const tooLong = await run(`publish ${'x'.repeat(243)} --type t`)
  assert.equal(tooLong.code, 2)
  assert.match(tooLong.stderr, /^CLI_USAGE: <exchange> [^\n]+ 242 bytes[^\n]+\n$/)
  const feed = '--history http://127.0.0.1:9480/exchanges/x'
  for (const line of [`record ${exchange}`, 'history prune --older-than 1d', 'history import -']) {
    const { code, stderr } = await run(`${line} ${feed}`)
    assert.equal(code, 2)
    assert.match(stderr, /^CLI_USAGE: [^\n]+ is a feed, [^\n]+\n$/)
  }
})

test('up finds the broker that was named, and down has nothing to end', async (t) => {
  const { url, folder: cwd } = await setup(t)
  const found = await runCli(['up', '--json'], { cwd, env: { BACKSTORY_BROKER: url } })
  assert.equal(found.code, 0)
  assert.deepEqual(parsed(found.stdout), { url: redactUrl(url), how: 'given', alreadyUp: true })
  assert.match(found.stderr, /^Using the RabbitMQ at /)
  const ended = await runCli(['down', '--json'], { cwd })
  assert.equal(ended.code, 0)
  assert.deepEqual(parsed(ended.stdout), { wasUp: false })
})
