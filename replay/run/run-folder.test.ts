import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { RunFolder } from './run-folder.ts'
import { Tally } from './tally.ts'

test('of processes that find the lock of one that is gone, one takes it over', async (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'backstory-lock-'))
  t.after(() => rmSync(parent, { recursive: true, force: true }))
  const program = new URL('run-folder.program.ts', import.meta.url)
  const contenders = Array.from({ length: 3 }, () => fork(program))
  t.after(() => {
    for (const one of contenders) one.kill('SIGKILL')
  })
  await Promise.all(contenders.map((one) => once(one, 'message')))
  for (let round = 0; round < 5; round++) {
    const folder = join(parent, String(round))
    const gone = fork(program)
    await once(gone, 'message')
    gone.send(folder)
    assert.deepEqual(await once(gone, 'message').then(([told]) => told), 'open')
    gone.kill('SIGKILL')
    await once(gone, 'exit')
    const answers = contenders.map(async (one) => {
      one.send(folder)
      return (await once(one, 'message'))[0] as string
    })
    const told = await Promise.all(answers)
    assert.deepEqual(told.filter((one) => one === 'open').length, 1, told.join())
    assert.ok(
      told.every((one) => one === 'open' || one === 'REPLAY_RUN_BUSY'),
      told.join(),
    )
  }
})

test('what cannot be written is told with a code, and the checkpoint before stands', async (t) => {
  const folder = await openFolder(t)
  await folder.checkpoint(state)
  mkdirSync(join(folder.folder, 'checkpoint.json.new'))
  mkdirSync(folder.failuresOf(2))
  await assert.rejects(folder.checkpoint({ ...state, isDone: true }), { code: 'REPLAY_RUN_UNWRITABLE' })
  assert.throws(() => folder.openFailures({ pass: 2, bytes: 0 }), { code: 'REPLAY_RUN_UNWRITABLE' })
  assert.equal((await folder.state())?.isDone, false)
})

test('failures can be read by their owner alone, and those behind the checkpoint are cut off', async (t) => {
  const folder = await openFolder(t)
  const failed = { place: 'p', text: '{}', causes: [] }
  folder.openFailures({ pass: 1, bytes: 0 })
  folder.addFailures([{ ...failed, position: 1 }])
  const bytes = folder.failureBytes
  folder.addFailures([{ ...failed, position: 2 }])
  await folder.close()
  const again = await RunFolder.open(folder.folder)
  t.after(() => again.close())
  again.openFailures({ pass: 1, bytes })
  const { size, mode } = statSync(again.failuresOf(1))
  assert.equal(size, bytes)
  if (process.platform !== 'win32') assert.equal(mode & 0o777, 0o600)
})

const state = {
  run: 'r',
  pass: 1,
  isDone: false,
  fingerprint: '',
  token: undefined,
  failureBytes: 0,
  tally: new Tally([]).state,
  held: [],
  actions: [],
}

async function openFolder(t: TestContext): Promise<RunFolder> {
  const parent = mkdtempSync(join(tmpdir(), 'backstory-run-'))
  t.after(() => rmSync(parent, { recursive: true, force: true }))
  const folder = await RunFolder.open(join(parent, 'run'))
  t.after(() => folder.close())
  return folder
}
