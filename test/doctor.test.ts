/** What the doctor says of a real broker and its queues, and of a management API that tells of trouble. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connectBroker, deadQueueOf, historyQueueOf } from '../broker/index.ts'
import { startConsumer, startRecorder } from '../index.ts'
import { runCli } from '../scripts/cli/run-cli.fixture.ts'
import { effectsConsumer } from './fixtures/effects.ts'
import { newExchange, type TestExchange } from './fixtures/exchange.ts'
import { plainChannel } from './fixtures/plain.ts'
import { until } from './fixtures/until.ts'

interface Told {
  readonly check: string
  readonly level: string
  readonly message: string
}

async function examine({ url, history, folder }: TestExchange, ...args: string[]) {
  const line = ['doctor', '--json', '--broker', url, '--history', history, ...args]
  const { code, stdout } = await runCli(line, { cwd: folder })
  const { findings } = JSON.parse(stdout) as { findings: Told[] }
  const told = (level: string) => findings.filter((one) => one.level === level).map(({ message }) => message)
  return { code, told, stdout }
}

test('nothing fails where a recorder and a consumer are at work', async (t) => {
  const place = await newExchange(t, { consumers: ['production'] })
  const { url: broker, exchange, history } = place
  await using _recorder = startRecorder({ broker, exchange, history })
  const store = place.store('production')
  const consumer = await startConsumer(effectsConsumer('production', exchange), { broker, history, store })
  t.after(() => consumer.close())
  await consumer.caughtUp()
  const { code, told } = await examine(place, '--store', store)
  assert.deepEqual(told('fail'), [])
  assert.equal(code, 0)
  const good = told('ok').join('\n')
  for (const expected of [
    /RabbitMQ [34]\.\d+\.\d+ is reached/,
    /a recorder has it open/,
    /consumer production of .* is live/,
  ])
    assert.match(good, expected)
})

test('a queue that nobody consumes, and dead letters, fail', async (t) => {
  const place = await newExchange(t)
  const { url, exchange, history } = place
  const recorder = startRecorder({ broker: url, exchange, history })
  await recorder.started()
  await recorder.close()
  const channel = await plainChannel(t, url)
  channel.sendToQueue(deadQueueOf(historyQueueOf(exchange)), Buffer.from('dead'))
  const counts = connectBroker({ url })
  t.after(() => counts.close())
  const watched = await counts.openChannel()
  await until('it is there', async () => (await watched.count(deadQueueOf(historyQueueOf(exchange)))) === 1)
  const { code, told } = await examine(place)
  assert.equal(code, 1)
  const failures = told('fail').join('\n')
  assert.match(failures, /Nobody consumes queue .*\.history/)
  assert.match(failures, /has 1 messages that RabbitMQ could not deliver/)
})

test('alarms, nodes that are down or lost, and a clock that is wrong are told by the management API', async (t) => {
  const place = await newExchange(t)
  const { url, exchange, history } = place
  await using recorder = startRecorder({ broker: url, exchange, history })
  await recorder.started()
  const nodes = [
    { name: 'rabbit@one', running: true, mem_alarm: true, disk_free_alarm: true, partitions: ['rabbit@two'] },
    { name: 'rabbit@two', running: false, enabled_plugins: ['rabbitmq_stream'] },
  ]
  const management = await managementOf(t, { nodes, deprecatedInUse: [{ name: 'global_qos' }] })
  const { code, told, stdout } = await examine(place, '--management', management)
  assert.equal(code, 1)
  const failures = told('fail').join('\n')
  for (const expected of [
    /node rabbit@one is short of memory/,
    /node rabbit@one is short of disk/,
    /node rabbit@one has lost rabbit@two/,
    /node rabbit@two is down/,
  ])
    assert.match(failures, expected)
  assert.match(told('ok').join('\n'), /plugin rabbitmq_stream is enabled/)
  const warnings = told('warn').join('\n')
  assert.match(warnings, /the clock of the broker is \d+ s behind ours/)
  assert.match(warnings, /denies: global_qos/)
  assert.doesNotMatch(stdout, /secret/)
})

/** Answers as RabbitMQ's does, a minute behind. @returns Its URL. */
async function managementOf(
  t: TestContext,
  { nodes, deprecatedInUse }: { nodes: object; deprecatedInUse: object },
): Promise<string> {
  const answers: Readonly<Record<string, object>> = {
    '/api/nodes': nodes,
    '/api/deprecated-features/used': deprecatedInUse,
  }
  const server = createServer(({ url = '' }, response) => {
    const answer = answers[url]
    response.setHeader('date', new Date(Date.now() - 60_000).toUTCString())
    response.writeHead(answer === undefined ? 404 : 200).end(JSON.stringify(answer ?? {}))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://guest:secret@127.0.0.1:${(server.address() as AddressInfo).port}`
}
