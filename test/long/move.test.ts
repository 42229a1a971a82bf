import assert from 'node:assert/strict'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { exportHistory, openHistory, verifyHistory } from '../../history/index.ts'
import { hostile, orders, record, transferFolder } from '../../history/transfer/transfer.fixture.ts'
import {
  bytesIn,
  contentsOf,
  killAtBytes,
  startBackstory,
} from '../../scripts/cli/commands/killed-move.fixture.ts'
import { testPostgres } from '../fixtures/postgres.ts'

const events = 40_000
const kills = 8

async function made(t: TestContext) {
  const { folder, path } = transferFolder(t)
  const messages = [...orders(events / 2), ...hostile, ...orders(events / 2, { from: events })]
  await record(path('h.db'), messages)
  const finish = async (line: string) => {
    const child = startBackstory(t, line.split(' '), folder)
    assert.deepEqual(await once(child, 'exit'), [0, null])
  }
  return { folder, path, finish }
}

for (const [what, to, extra] of [
  ['into a folder', 'out/parts', '--part-events 1000'],
  ['into a compressed file', 'out/h.jsonl.gz', '--part-events 1000'],
] as const) {
  test(`an export ${what} that is killed again and again leaves what one leaves that was not`, async (t) => {
    const { folder, path, finish } = await made(t)
    await using reader = openHistory({ history: path('h.db') })
    const whole = await exportHistory(reader, { to: path(`whole/${to}`), partEvents: 1_000 })
    const at = to.includes('.') ? 'out' : to
    const line = `history export ${to} ${extra} --history h.db`
    let killed = 0
    for (let kill = 0; kill < kills; kill++) {
      const child = startBackstory(t, line.split(' '), folder)
      const bytes = ((kill + Math.random()) / kills) * bytesIn(path(`whole/${at}`))
      killed += Number(await killAtBytes(child, { folder: path(at), bytes }))
    }
    await finish(line)
    t.diagnostic(`killed ${killed} times`)
    const [found, wanted] = [contentsOf(path(at)), contentsOf(path(`whole/${at}`))]
    for (const contents of [found, wanted]) {
      // It says when it was made, and by which version.
      for (const name of contents.keys()) if (name.endsWith('manifest.json')) contents.delete(name)
    }
    assert.deepEqual([...found.keys()], [...wanted.keys()])
    for (const [name, bytes] of wanted) assert.ok(found.get(name) === bytes, name)
    assert.equal(whole.count, events + hostile.length)
  })
}

for (const [what, place] of [
  ['SQLite', async () => 'new/h.db'],
  ['PostgreSQL', testPostgres],
] as const) {
  for (const command of ['import', 'copy']) {
    test(`${command} into ${what}, killed again and again, leaves the same history`, async (t) => {
      const { folder, path, finish } = await made(t)
      const to = await place(t)
      const isFile = to === 'new/h.db'
      await using reader = openHistory({ history: path('h.db') })
      await exportHistory(reader, { to: path('out.jsonl.gz'), partEvents: 5_000 })
      const line =
        command === 'copy'
          ? `history copy ${to} --history h.db`
          : `history import out.jsonl.gz --history ${to}`
      let killed = 0
      for (let kill = 0; kill < kills; kill++) {
        const child = startBackstory(t, line.split(' '), folder)
        // A write-ahead log takes room besides.
        const bytes = ((kill + Math.random()) / kills) * statSync(path('h.db')).size
        if (isFile) killed += Number(await killAtBytes(child, { folder: path('new'), bytes }))
        else {
          const exited = once(child, 'exit')
          await Promise.race([exited, sleep(500 + Math.random() * 2_000)])
          killed += Number(child.kill('SIGKILL'))
          await exited
        }
      }
      await finishWhenFree(() => finish(line))
      t.diagnostic(`killed ${killed} times`)
      await using moved = openHistory({ history: isFile ? path(to) : to })
      const { clean, held } = await verifyHistory(reader, { against: moved })
      assert.deepEqual([clean, held], [true, events + hostile.length])
      assert.deepEqual(await moved.summary(), await reader.summary())
    })
  }
}

/** PostgreSQL may take a moment to notice that the connection with the lock has gone. */
async function finishWhenFree(finish: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await finish()
      return
    } catch (error) {
      if (attempt === 5) throw error
      await sleep(500)
    }
  }
}
