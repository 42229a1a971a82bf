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
import type { NodePorts } from '../scripts/services/broker-node.ts'
import { down, runningBroker, up } from '../scripts/services/dev-broker.ts'
import { accepts } from '../scripts/services/ports.ts'
import { startPrivateBroker } from '../scripts/services/private-broker.ts'
import { sendDurably, take } from './fixtures/durable-message.ts'

test('a private broker leaves nothing behind when it is stopped', async () => {
  const broker = await startPrivateBroker()
  assert.ok(existsSync(broker.folder))
  await broker.stop()
  assert.equal(existsSync(broker.folder), false)
  assert.deepEqual(await listeners(broker.ports), [])
})

test('a private broker is gone after its parent was killed with SIGKILL', async () => {
  const program = fileURLToPath(new URL('./fixtures/leave-broker.ts', import.meta.url))
  const parent = spawn(process.execPath, [...process.execArgv, program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string]
  const { folder, ports } = JSON.parse(line) as { folder: string; ports: NodePorts }
  assert.equal((await listeners(ports)).length, 3)
  parent.kill('SIGKILL')
  await until(async () => !existsSync(folder) && (await listeners(ports)).length === 0)
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

async function listeners(ports: NodePorts): Promise<number[]> {
  const all = Object.values(ports) as number[]
  const accepted = await Promise.all(all.map(accepts))
  return all.filter((_, index) => accepted[index])
}

/** Of processes that are not our children nothing tells. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(50)
}
