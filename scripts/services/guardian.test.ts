import assert from 'node:assert/strict'
import { existsSync, openSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { devNull, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Guardian } from './guardian.ts'

const windows = process.platform === 'win32'
const nowhere = openSync(devNull, 'a')
const sleeper = { file: 'sleep', args: ['600'], env: process.env, output: nowhere }

test('at its end a guardian ends its processes and removes its folder', { skip: windows }, async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'data'), 'x')
  const guardian = new Guardian({ folder })
  const server = guardian.start('server', sleeper)
  const epmd = guardian.start('epmd', sleeper)
  assert.ok(server.isRunning && epmd.isRunning)
  await guardian.end()
  assert.equal(server.isRunning || epmd.isRunning, false)
  assert.equal(existsSync(folder), false)
})

test('a folder that is not the guardian’s stays', { skip: windows }, async (t) => {
  const folder = await temporaryFolder(t)
  const guardian = new Guardian({})
  guardian.start('server', sleeper)
  await guardian.end()
  assert.ok(existsSync(folder))
})

test('a killed process is gone when kill() resolves, and may be started again', {
  skip: windows,
}, async () => {
  const guardian = new Guardian({})
  const first = guardian.start('server', sleeper)
  await first.kill()
  assert.equal(first.isRunning, false)
  const second = guardian.start('server', sleeper)
  assert.ok(second.isRunning)
  await guardian.end()
  assert.equal(second.isRunning, false)
})

test('a command that cannot be run exits, and the guardian goes on', { skip: windows }, async (t) => {
  // What a guardian starts does not keep this process alive.
  const hold = setInterval(() => {}, 1_000)
  t.after(() => clearInterval(hold))
  const guardian = new Guardian({})
  const missing = guardian.start('server', { ...sleeper, file: '/nonexistent/backstory' })
  await missing.exited
  assert.equal(missing.isRunning, false)
  assert.ok(guardian.start('server', sleeper).isRunning)
  await guardian.end()
})

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-guardian-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}
