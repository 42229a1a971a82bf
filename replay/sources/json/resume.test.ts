import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { ReplayError } from '../../errors.ts'
import { recordingAction } from '../../replay.fixture.ts'
import { replay } from '../../replay.ts'
import type { ReplayEvent } from '../../replay-event.ts'
import { RunFolder } from '../../run/run-folder.ts'
import { folderWith, idsOf, lines, numbered, readAll, reasonOf } from './json.fixture.ts'

test('from the token of every event the rest is read, in another process too, whatever the files are', async (t) => {
  const orders = numbered(9).map((order) => ({ ...order, name: 'Möbel' }))
  const { source } = folderWith(t, {
    '1.jsonl': lines(...orders),
    '2.json': JSON.stringify(orders, undefined, 2),
    '3.json': JSON.stringify(orders),
    '4.json': orders.map((order) => JSON.stringify(order)).join(''),
    '5.jsonl': `oops\n${lines(...orders)}{"id":`,
    '6.gz': Buffer.concat([gzipSync(lines(...orders)), gzipSync(JSON.stringify(orders))]),
    '7.gz': gzipSync(lines(...orders)).subarray(0, -5),
    '8.json': '[{"id":"1"},{"id":"2"}',
  })
  const shown = (events: readonly ReplayEvent[]) =>
    events.map((event) => [event.position, event.place, event.text, reasonOf(event)])
  const whole = await readAll(source('*'))
  assert.ok(whole.length > 70)
  for (const [index, { token }] of whole.entries()) {
    assert.deepEqual(shown(await readAll(source('*'), token)), shown(whole.slice(index + 1)), token)
  }
})

test('standard input that is given again goes on behind the token', async (t) => {
  const text = lines(...numbered(20))
  for (const bytes of [Buffer.from(text), gzipSync(text)]) {
    const given = () => {
      const stdin = new PassThrough()
      stdin.end(bytes)
      return folderWith(t, {}, { stdin }).source('-')
    }
    const events = await readAll(given())
    for (const [index, { token }] of events.entries()) {
      assert.deepEqual(idsOf(await readAll(given(), token)), idsOf(events.slice(index + 1)))
    }
    const { token } = events.at(-1)!
    for (const other of [lines(...numbered(19)), '']) {
      const stdin = new PassThrough()
      stdin.end(other)
      const { source } = folderWith(t, {}, { stdin })
      await assert.rejects(readAll(source('-'), token), {
        code: 'REPLAY_CHECKPOINT_FOREIGN',
        message: /^standard input has become shorter/,
      })
    }
  }
})

test('files that have changed since are refused; what has come behind is read', async (t) => {
  const { source, folder, write } = folderWith(t, {
    '1.jsonl': lines(...numbered(3)),
    '2.jsonl': lines(...numbered(3)),
  })
  const events = await readAll(source('*'))
  const token = events[4]!.token
  const rest = async () => idsOf(await readAll(source('*'), token))
  const foreign = async (why: RegExp) =>
    await assert.rejects(rest(), { code: 'REPLAY_CHECKPOINT_FOREIGN', message: why })
  assert.deepEqual(await rest(), ['3'])
  appendFileSync(join(folder, '2.jsonl'), lines({ id: '4' }))
  write('3.jsonl', lines({ id: '5' }))
  assert.deepEqual(await rest(), ['3', '4', '5'])
  write('2.jsonl', lines({ id: '9' }, { id: '2' }, { id: '3' }))
  await foreign(/2\.jsonl has changed/)
  write('2.jsonl', lines(...numbered(3)))
  assert.deepEqual(await rest(), ['3'].concat('5'))
  truncateSync(join(folder, '2.jsonl'), 12)
  await foreign(/2\.jsonl has changed/)
  write('2.jsonl', lines(...numbered(3)))
  appendFileSync(join(folder, '1.jsonl'), lines({ id: '4' }))
  await foreign(/2\.jsonl does not come behind the same files/)
  write('1.jsonl', lines(...numbered(3)))
  write('11.jsonl', lines({ id: '1' }))
  assert.deepEqual(await rest(), ['3', '5', '1'])
  write('0.jsonl', lines({ id: '1' }))
  await foreign(/does not come behind/)
  rmSync(join(folder, '0.jsonl'))
  rmSync(join(folder, '2.jsonl'))
  await foreign(/2\.jsonl is not among the files/)
  for (const wrong of ['17', '{}', 'null', '{"file":"1.jsonl"}']) {
    await assert.rejects(readAll(source('*'), wrong), { code: 'REPLAY_CHECKPOINT_FOREIGN' })
  }
})

test('a file that has changed far behind its beginning is refused where the last event is not in its place', async (t) => {
  const orders = numbered(5_000).map((order) => ({ ...order, text: 'x'.repeat(50) }))
  const { source, write } = folderWith(t, { 'a.jsonl': lines(...orders) })
  const { token } = (await readAll(source('a.jsonl'))).at(3_999)!
  orders[3_999] = { id: '4001', text: 'x'.repeat(50) }
  write('a.jsonl', lines(...orders))
  await assert.rejects(readAll(source('a.jsonl'), token), { code: 'REPLAY_CHECKPOINT_FOREIGN' })
})

test('a run over files that is ended goes on where it was, and leaves out nothing', async (t) => {
  const orders = numbered(12_000)
  const files = {
    'orders-1.jsonl': lines(...orders.slice(0, 5_000)),
    'orders-2.json.gz': gzipSync(JSON.stringify(orders.slice(5_000))),
  }
  const { source, folder } = folderWith(t, files)
  const checkpoints = { folder: await RunFolder.open(join(folder, 'run')) }
  const done: string[] = []
  let interruptions = 0
  for (;;) {
    const stop = new AbortController()
    // By its number in this run: how far a round goes beyond it is a matter of the machine's speed.
    let acted = 0
    const action = recordingAction({
      answer: async () => {
        acted += 1
        if (acted === 1_500) stop.abort()
        return 'done'
      },
    })
    const rules = [{ name: 'r', action }]
    const report = await replay({
      run: 'test',
      source: source('*.*'),
      rules,
      checkpoints,
      signal: stop.signal,
    })
    done.push(...action.done)
    assert.equal(report.ended, stop.signal.aborted ? 'interrupted' : 'done')
    if (report.ended === 'done') break
    interruptions += 1
  }
  assert.ok(interruptions >= 2)
  assert.deepEqual(
    done,
    orders.map(({ id }) => id),
  )
})

test('the failures of a run are the source of the next', async (t) => {
  const { source, folder } = folderWith(t, { 'orders.jsonl': `${lines(...numbered(50))}oops\n` })
  const runFolder = await RunFolder.open(join(folder, 'run'))
  const failing = recordingAction({
    refuse: ({ attributes: { id } }) =>
      Number(id) % 10 === 0 ? new ReplayError('REPLAY_EVENT_REFUSED', 'not by ten') : undefined,
  })
  const fine = recordingAction()
  const rules = [
    { name: 'failing', action: failing },
    { name: 'fine', action: fine },
  ]
  await replay({ run: 'test', source: source('orders.jsonl'), rules, checkpoints: { folder: runFolder } })
  assert.equal(readFileSync(runFolder.failuresOf(1), 'utf8').trimEnd().split('\n').length, 6)
  const [again, fineAgain] = [recordingAction(), recordingAction()]
  const report = await replay({
    run: 'test',
    source: source(runFolder.failuresOf(1)),
    rules: [
      { name: 'failing', action: again },
      { name: 'fine', action: fineAgain },
    ],
  })
  assert.deepEqual([again.done, fineAgain.done], [['10', '20', '30', '40', '50'], []])
  assert.deepEqual([report.read, report.unreadable, report.first?.position], [6, 1, 10])
})

test('a killed process is gone on from by another, and every event is acted on', async (t) => {
  const orders = numbered(30_000)
  const { folder } = folderWith(t, { 'orders.json': JSON.stringify(orders) })
  const program = join(import.meta.dirname, 'killed.program.ts')
  const out = join(folder, 'out.txt')
  const start = () =>
    spawn(process.execPath, [...process.execArgv, program, folder, out], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  for (let kill = 0; kill < 3; kill++) {
    const child = start()
    let seen = 0
    for await (const chunk of child.stdout) {
      seen += String(chunk).length
      if (seen >= 2 + kill) child.kill('SIGKILL')
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    assert.equal(child.signalCode, 'SIGKILL')
  }
  const last = start()
  last.stdout.resume()
  assert.deepEqual(await once(last, 'exit'), [0, null])
  const acted = readFileSync(out, 'utf8').trimEnd().split('\n')
  // What was done behind the last checkpoint is done again, nothing is left out, and order is kept.
  assert.deepEqual(
    [...new Set(acted)],
    orders.map(({ id }) => id),
  )
  assert.ok(acted.length < orders.length + 3 * 2_000)
})
