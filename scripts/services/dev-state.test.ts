import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { claimState, isBusy, isOurs, readState, removeState, writeState } from './dev-state.ts'

test('of two commands that start a broker in one folder, the second is refused', async (t) => {
  const folder = await temporaryFolder(t)
  await claimState(folder, { how: 'installed', busy: process.pid })
  await assert.rejects(claimState(folder, { how: 'installed', busy: 1 }), { code: 'SERVICE_BUSY' })
  await removeState(folder)
  await claimState(folder, { how: 'installed', busy: 1 })
})

test('what was written is read back, and nothing where there is none', async (t) => {
  const folder = await temporaryFolder(t)
  assert.equal(await readState(folder), undefined)
  const state = { how: 'compose', url: 'amqp://127.0.0.1:5672' } as const
  await writeState(folder, state)
  assert.deepEqual(await readState(folder), state)
})

test('a state that cannot be read is an error, not taken for a broker that is down', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'broker.json'), '{"how":')
  await assert.rejects(readState(folder), { code: 'SERVICE_BUSY' })
})

test('a process is ours by what its command line holds, not by its number', async () => {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)', 'backstory-mark'])
  await once(child, 'spawn')
  assert.ok(await isOurs(child.pid, 'backstory-mark'))
  assert.equal(await isOurs(child.pid, 'another-mark'), false)
  assert.ok(await isBusy({ how: 'installed', busy: child.pid }))
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(await isOurs(child.pid, 'backstory-mark'), false)
  assert.equal(await isBusy({ how: 'installed', busy: child.pid }), false)
})

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-state-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}
