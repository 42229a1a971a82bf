import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { runCli, tempFolder } from './run-cli.fixture.ts'

const { cache } = createRequire(import.meta.url)
const heavy = ['amqplib', 'amqp-connection-manager', 'better-sqlite3', 'pino', 'prom-client']
const loaded = () =>
  heavy.filter((name) => Object.keys(cache).some((file) => file.includes(`/node_modules/${name}/`)))

test('help loads neither the broker client nor the database nor what logs and metrics need', async (t) => {
  const cwd = tempFolder(t)
  for (const args of [['--help'], ['record', '--help'], ['history', 'list', '--help'], ['recrod']]) {
    await runCli(args, { cwd })
  }
  assert.deepEqual(loaded(), [])
  // The test would see them: a command that runs loads them.
  await runCli(['history', 'head'], { cwd })
  assert.notDeepEqual(loaded(), [])
})
