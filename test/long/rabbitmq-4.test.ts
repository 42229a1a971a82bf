import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { connectBroker } from '../../index.ts'
import { startPrivateBroker } from '../../scripts/services/private-broker.ts'
import { prepareRabbitmq4 } from '../../scripts/services/rabbitmq-4.ts'

/** In a changed root there may be none: that is no place where something is mounted. */
const hasMountNamespaces = spawnSync('unshare', ['--mount', '--propagation', 'private', 'true']).status === 0
const skip = hasMountNamespaces ? false : 'needs Linux, root, and a mount namespace of its own'

test('RabbitMQ 4 runs beside the installed one, is killed and comes back, and leaves nothing mounted', {
  skip,
}, async (t) => {
  const installation = await prepareRabbitmq4({ say: (line) => t.diagnostic(line) })
  const broker = await startPrivateBroker({ installation })
  t.after(() => broker.stop())
  assert.match(await versionOf(t, broker.url), /^4\./)
  const { pid } = broker
  await broker.kill()
  await broker.start()
  assert.notEqual(broker.pid, pid)
  assert.match(await versionOf(t, broker.url), /^4\./)
  await broker.stop()
  assert.ok(!readFileSync('/proc/mounts', 'utf8').includes(installation.root!))
})

async function versionOf(t: TestContext, url: string): Promise<string> {
  const broker = connectBroker({ url })
  t.after(() => broker.close())
  const { raw } = await broker.openChannel()
  const { connection } = raw as unknown as { connection: { serverProperties: { version: string } } }
  return connection.serverProperties.version
}
