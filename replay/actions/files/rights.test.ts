/** What the file system denies: told once, with what to do, and never in place of what was first. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Action } from '../../action.ts'
import { listSource, ordersOf } from '../../replay.fixture.ts'
import { replay } from '../../replay.ts'
import { filesAction, temporaryFolder, textsIn } from './files.fixture.ts'

const skip = process.platform === 'win32' ? 'Windows has no such rights' : false
const unavailable = { code: 'REPLAY_ACTION_UNAVAILABLE', message: /EACCES.* Mend its rights or its disk, or/ }

test('a folder that may not be written to ends a run before anything is read', { skip }, async (t) => {
  const { out } = place(t)
  for (const template of ['out/a.jsonl', 'out/{$.id}.jsonl']) {
    for (const mode of [0o000, 0o555, 0o666]) {
      const source = listSource(ordersOf(3, { keys: 1 }))
      source.read = () => assert.fail('nothing was to be read')
      const rules = [{ name: 'r', action: filesAction(join(out, '..'), template) }]
      await withoutRights(out, { mode }, async () => {
        await assert.rejects(replay({ run: 'r1', source, rules }), unavailable)
      })
    }
  }
  assert.deepEqual(textsIn(out), {})
})

test('a folder that loses its rights is told where it is made durable, ended or closed', {
  skip,
}, async (t) => {
  const { out, action, add } = await opened(t)
  await add(1)
  await withoutRights(out, { mode: 0o000 }, async () => {
    await assert.rejects(action.state!(), unavailable)
    await add(1)
    await assert.rejects(action.finish!(), unavailable)
  })
  await action.finish!()
  await withoutRights(out, { mode: 0o555 }, async () => await assert.rejects(action.close(), unavailable))
})

test('what cannot be cut off a file ends the run with what went wrong first', { skip }, async (t) => {
  const { out, action, add } = await opened(t)
  // More than are kept open: the first is opened again.
  await add(100)
  await withoutRights(join(out, '0.jsonl'), { mode: 0o444 }, async () => {
    await assert.rejects(add(1), {
      code: 'REPLAY_ACTION_UNAVAILABLE',
      message: /EACCES: permission denied, open .* then --resume$/,
    })
  })
  await action.close()
})

/** Other users pass through all that is above `out`. */
function place(t: TestContext): { out: string } {
  const folder = temporaryFolder(t)
  const out = join(folder, 'out')
  mkdirSync(out)
  for (const one of [folder, out]) chmodSync(one, 0o777)
  return { out }
}

/** An action that is open, and what adds an event to each of its first files. */
async function opened(
  t: TestContext,
): Promise<{ out: string; action: Action; add(files: number): Promise<void> }> {
  const { out } = place(t)
  const action = filesAction(out, '{$.id}.jsonl')
  await action.open({ state: undefined })
  const { signal } = new AbortController()
  return {
    out,
    action,
    async add(files) {
      const batch: unknown[] = []
      const source = listSource(Array.from({ length: files }, (_, at) => ({ id: String(at) })))
      for await (const { events } of source.read({ after: undefined, signal, dryRun: false }))
        for (const event of events) batch.push(action.prepare(event))
      assert.equal(await action.act(batch, { signal }), undefined)
    },
  }
}

/** Root has rights where there are none, and is somebody else meanwhile. */
async function withoutRights(
  path: string,
  { mode }: { mode: number },
  work: () => Promise<void>,
): Promise<void> {
  const before = statSync(path).mode
  const isRoot = process.getuid?.() === 0
  chmodSync(path, mode)
  if (isRoot) process.seteuid!(nobody)
  try {
    await work()
  } finally {
    if (isRoot) process.seteuid!(0)
    chmodSync(path, before)
  }
}

const nobody = 65_534
