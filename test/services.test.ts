import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connectBroker } from '../broker/index.ts'
import type { NodePorts } from '../scripts/services/broker-node.ts'
import { down, runningBroker, up } from '../scripts/services/dev-broker.ts'
import { accepts } from '../scripts/services/ports.ts'
import { startPrivateBroker } from '../scripts/services/private-broker.ts'
import { ownBroker } from './fixtures/broker.ts'

test('a private broker that is killed and started again still has its persistent message', async (t) => {
  const broker = await ownBroker(t)
  const { url } = broker
  await sendDurably(url, 'first')
  // RabbitMQ answers a declaration before it has written it down, and forgets the queue where it is killed
  // within a second or so. Shut down in order once, it has.
  await broker.shutDown()
  await broker.start()
  assert.equal(await take(url), 'first')
  const { pid } = broker
  await sendDurably(url, 'kept')
  await broker.kill()
  assert.equal(broker.pid, undefined)
  assert.equal(await accepts(broker.port), false)
  await broker.start()
  assert.equal(broker.url, url)
  assert.notEqual(broker.pid, pid)
  assert.equal(await take(url), 'kept')
})

test('a private broker leaves nothing behind when it is stopped', async () => {
  const broker = await startPrivateBroker()
  assert.ok(existsSync(broker.folder))
  await broker.stop()
  assert.equal(existsSync(broker.folder), false)
  assert.deepEqual(await listeners(broker.ports), [])
})

test('a private broker is gone after its parent was killed with SIGKILL', async () => {
  const program = fileURLToPath(new URL('./fixtures/leave-broker.ts', import.meta.url))
  const parent = spawn(process.execPath, ['--import', 'tsx', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string]
  const { folder, ports } = JSON.parse(line) as { folder: string; ports: NodePorts }
  assert.equal((await listeners(ports)).length, 3)
  parent.kill('SIGKILL')
  await until(async () => !existsSync(folder) && (await listeners(ports)).length === 0)
})

test('two private brokers started at once do not meet', async (t) => {
  const [one, other] = await Promise.all([ownBroker(t), ownBroker(t)])
  await sendDurably(one.url, 'one')
  await sendDurably(other.url, 'other')
  assert.equal(await take(one.url), 'one')
  assert.equal(await take(other.url), 'other')
})

test('a private broker whose port is taken fails with a code, and leaves the port alone', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await assert.rejects(startPrivateBroker({ port }), { code: 'SERVICE_START_FAILED' })
  assert.ok(await accepts(port))
})

test('a broker that ends while it starts is an error with its log, and its data stays', async (t) => {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, 'conf.d'))
  await writeFile(join(folder, 'conf.d', '10-wrong.conf'), 'no_such_setting = 1\n')
  await assert.rejects(startPrivateBroker({ folder }), {
    code: 'SERVICE_START_FAILED',
    message: /no_such_setting/,
  })
  assert.ok(existsSync(folder))
})

test('the development broker is up once, and keeps its messages over down and up', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'backstory dev '))
  const lines: string[] = []
  const options = { folder, say: (line: string) => lines.push(line) }
  t.after(async () => {
    // In this order: without its folder, nothing would know of the broker any more.
    await down(options)
    await rm(folder, { recursive: true })
  })
  const { url, alreadyUp } = await up(options)
  assert.equal(alreadyUp, false)
  assert.deepEqual(await up(options), { url, how: (await runningBroker({ folder }))!.how, alreadyUp: true })
  assert.match(lines.at(-1)!, /up already/)
  await sendDurably(url, 'kept')
  assert.deepEqual(await down(options), { wasUp: true })
  assert.equal(await runningBroker({ folder }), undefined)
  assert.deepEqual(await down(options), { wasUp: false })
  assert.equal(await take((await up(options)).url), 'kept')
})

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory services '))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}

const queue = 'services-test'

async function sendDurably(url: string, text: string): Promise<void> {
  const broker = connectBroker({ url })
  try {
    const { raw } = await broker.openChannel({ confirm: true })
    await raw.assertQueue(queue, { durable: true })
    raw.sendToQueue(queue, Buffer.from(text), { persistent: true })
    await raw.waitForConfirms()
  } finally {
    await broker.close()
  }
}

async function take(url: string): Promise<string | undefined> {
  const broker = connectBroker({ url })
  try {
    const { raw } = await broker.openChannel()
    const message = await raw.get(queue, { noAck: true })
    return message === false ? undefined : message.content.toString()
  } finally {
    await broker.close()
  }
}

async function listeners(ports: NodePorts): Promise<number[]> {
  const all = Object.values(ports) as number[]
  const accepted = await Promise.all(all.map(accepts))
  return all.filter((_, index) => accepted[index])
}

/** Of processes that are not our children nothing tells. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(50)
}
