import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { compilePattern } from '../events/index.ts'
import { ActionFailure } from './action.ts'
import { ReplayError } from './errors.ts'
import { listSource, ordersOf, recordingAction } from './replay.fixture.ts'
import { replay } from './replay.ts'
import type { ReplayOptions, ReplayProgress } from './replay-options.ts'
import { readFailureLine } from './run/failure-line.ts'
import { RunFolder } from './run/run-folder.ts'

test('every event that a rule picks is acted on, in order; the others are counted', async () => {
  const action = recordingAction({ batchMax: 3 })
  const isEven = compilePattern({
    id: [{ suffix: '0' }, { suffix: '2' }, { suffix: '4' }, { suffix: '6' }, { suffix: '8' }],
  })
  const report = await run({
    source: listSource(ordersOf(20, { keys: 3 })),
    rules: [{ name: 'even', pattern: isEven, action }],
  })
  assert.deepEqual(action.done, ['2', '4', '6', '8', '10', '12', '14', '16', '18', '20'])
  assert.deepEqual([report.read, report.picked, report.failed, report.exitCode], [20, 10, 0, 0])
  assert.deepEqual([report.first?.position, report.last?.position], [2, 20])
  assert.equal(action.calls.closed, 1)
})

test('each of several rules acts on what it picks', async () => {
  const [all, few] = [recordingAction(), recordingAction()]
  const pattern = compilePattern({ subject: ['k1'] })
  const report = await run({
    source: listSource(ordersOf(9, { keys: 3 })),
    rules: [
      { name: 'all', action: all },
      { name: 'few', pattern, action: few },
    ],
  })
  assert.equal(all.done.length, 9)
  assert.deepEqual(few.done, ['2', '5', '8'])
  assert.deepEqual(
    report.rules.map(({ name, matched, acted }) => [name, matched, acted]),
    [
      ['all', 9, 9],
      ['few', 3, 3],
    ],
  )
})

test('by key several are acted on at once, in order within each key', async () => {
  let inFlight = 0
  let most = 0
  const action = recordingAction({
    answer: async () => {
      inFlight += 1
      most = Math.max(most, inFlight)
      await new Promise(setImmediate)
      inFlight -= 1
      return 'done'
    },
  })
  const orders = ordersOf(500, { keys: 40 })
  await run({ source: listSource(orders), rules: [{ name: 'r', action }], order: 'key', concurrency: 8 })
  assert.ok(most > 4 && most <= 8, `${most} at once`)
  assert.equal(action.done.length, 500)
  for (let key = 0; key < 40; key++) {
    const ids = action.done.map(Number).filter((id) => (id - 1) % 40 === key)
    assert.deepEqual(
      ids,
      [...ids].sort((a, b) => a - b),
    )
  }
})

test('what is throttled is tried again, and nothing of its key overtakes it', async () => {
  const tries = new Map<string, number>()
  const action = recordingAction({
    batchMax: 10,
    answer: async (id) => {
      const attempt = (tries.get(id) ?? 0) + 1
      tries.set(id, attempt)
      return Number(id) % 5 === 0 && attempt < 3 ? new ActionFailure('throttled', '429', 'slow down') : 'done'
    },
  })
  const report = await run({
    source: listSource(ordersOf(20, { keys: 2 })),
    rules: [{ name: 'r', action }],
    order: 'key',
    concurrency: 2,
  })
  assert.equal(report.failed, 0)
  for (const rest of [0, 1]) {
    const ids = action.done.map(Number).filter((id) => id % 2 === rest)
    assert.deepEqual(
      ids,
      [...ids].sort((a, b) => a - b),
    )
  }
})

test('a refused event goes to the failures, what comes after it of its key waits there, the rest goes on', async (t) => {
  const action = recordingAction({
    batchMax: 4,
    stopsAtFailure: true,
    answer: async (id) => (id === '4' ? new ActionFailure('refused', '23505', 'id 4 is there') : 'done'),
  })
  const folder = await openFolder(t)
  const report = await run({
    source: listSource(ordersOf(12, { keys: 3 })),
    rules: [{ name: 'r', action }],
    checkpoints: { folder },
  })
  assert.deepEqual(action.done, ['1', '2', '3', '5', '6', '8', '9', '11', '12'])
  assert.deepEqual([report.rules[0]!.failed, report.rules[0]!.held, report.exitCode], [1, 2, 1])
  const lines = readFileSync(folder.failuresOf(1), 'utf8').trimEnd().split('\n').map(readFailureLine)
  assert.deepEqual(
    lines.map((line) => [line!.position, line!.causes.map(({ rule }) => rule), JSON.parse(line!.text).id]),
    [
      [4, ['r'], '4'],
      [7, ['r'], '7'],
      [10, ['r'], '10'],
    ],
  )
  assert.deepEqual(
    report.causes.map(({ code, events, examples }) => [code, events, examples]),
    [
      ['REPLAY_EVENT_HELD', 2, ['event 7', 'event 10']],
      ['23505', 1, ['event 4']],
    ],
  )
})

test('what cannot be read, or is refused before anything leaves, fails alone', async () => {
  const action = recordingAction({
    batchMax: 10,
    refuse: ({ attributes }) =>
      attributes.id === '2' ? new ReplayError('REPLAY_EVENT_REFUSED', 'no price') : undefined,
  })
  const texts = [{ id: '1' }, 'no JSON', { id: '2' }, { id: '3' }]
  const report = await run({ source: listSource(texts), rules: [{ name: 'r', action }] })
  assert.deepEqual(action.done, ['1', '3'])
  assert.deepEqual([report.unreadable, report.failed], [1, 2])
  assert.deepEqual(report.causes.map(({ code }) => code).sort(), [
    'REPLAY_EVENT_REFUSED',
    'REPLAY_EVENT_UNREADABLE',
  ])
})

test('a dry run opens nothing, does nothing, and reports what a run would', async () => {
  const refuse = ({ attributes }: { attributes: { id?: string | undefined } }) =>
    attributes.id === '5' ? new ReplayError('REPLAY_EVENT_REFUSED', 'no price') : undefined
  const reports = []
  for (const dryRun of [true, false]) {
    const action = recordingAction({ batchMax: 3, refuse })
    const source = listSource(ordersOf(20, { keys: 4 }))
    reports.push(await run({ source, rules: [{ name: 'r', action }], dryRun }))
    if (dryRun) assert.deepEqual(action.calls, { opened: 0, closed: 0, acted: 0 })
  }
  const [planned, done] = reports.map(({ rules, causes, checksum, failed, exitCode }) => ({
    rules: rules.map(({ samples: _, ...rule }) => rule),
    causes,
    checksum,
    failed,
    exitCode,
  }))
  assert.deepEqual(planned, done)
  assert.equal(reports[0]!.rules[0]!.samples.length, 3)
})

test('a run that fails in its middle goes on from its checkpoint, and reports the whole', async (t) => {
  const folder = await openFolder(t)
  const orders = ordersOf(5_000, { keys: 7 })
  const whole = await run({ source: listSource(orders), rules: [{ name: 'r', action: recordingAction() }] })
  const broken = recordingAction({
    answer: async (id) => {
      if (id === '3210') throw new Error('a bug of the action')
      return id === '10' ? new ActionFailure('refused', 'X', 'never') : 'done'
    },
  })
  const first = run({
    source: listSource(orders),
    rules: [{ name: 'r', action: broken }],
    checkpoints: { folder },
  })
  await assert.rejects(first, /a bug of the action/)
  const rest = recordingAction()
  const source = listSource(orders)
  const report = await run({ source, rules: [{ name: 'r', action: rest }], checkpoints: { folder } })
  // Behind the last round that was done, and in front of what failed.
  const begun = Number(rest.done[0])
  assert.ok(begun > 10 && begun <= 3210, `${begun}`)
  const held = orders.slice(10).filter(({ subject }) => subject === orders[9]!.subject).length
  assert.deepEqual([report.read, report.failed, report.rules[0]!.held], [5_000, held + 1, held])
  assert.equal(report.checksum, whole.checksum)
  assert.equal(source.settled.at(-1), '5000')
  await assert.rejects(
    run({ source: listSource(orders), rules: [{ name: 'r', action: rest }], checkpoints: { folder } }),
    { code: 'REPLAY_CHECKPOINT_FOREIGN' },
  )
})

test('a type may be called as members of every object are, also where a run goes on', async (t) => {
  const folder = await openFolder(t)
  const types = ['__proto__', 'constructor', 'toString', 'order.placed']
  const orders = Array.from({ length: 4_000 }, (_, at) => ({ id: String(at), type: types[at % 4] }))
  let isBroken = true
  const action = recordingAction({
    answer: async (id) => {
      if (isBroken && id === '3000') throw new Error('a bug of the action')
      return new ActionFailure('refused', 'X', 'never')
    },
  })
  const options = { rules: [{ name: 'r', action }], checkpoints: { folder }, maxFailures: 5_000 }
  await assert.rejects(run({ ...options, source: listSource(orders) }), /a bug of the action/)
  isBroken = false
  const { rules, causes } = await run({ ...options, source: listSource(orders) })
  assert.deepEqual(
    Object.entries(rules[0]!.types).map(([type, { matched, failed }]) => [type, matched, failed]),
    types.map((type) => [type, 1_000, 1_000]),
  )
  assert.deepEqual(
    Object.entries(causes[0]!.types),
    types.map((type) => [type, 1_000]),
  )
})

test('too many failures end a run, which can go on', async (t) => {
  const folder = await openFolder(t)
  const action = recordingAction({ answer: async () => new ActionFailure('refused', 'X', 'never') })
  const orders = ordersOf(3_000, { keys: 3_000 })
  const options = { rules: [{ name: 'r', action }], checkpoints: { folder } }
  const ended = await run({ ...options, source: listSource(orders), maxFailures: 500 })
  assert.deepEqual([ended.ended, ended.exitCode], ['too-many-failures', 6])
  assert.equal(ended.failed, 501)
  const rest = await run({ ...options, source: listSource(orders), maxFailures: 5_000 })
  assert.deepEqual([rest.ended, rest.failed], ['done', 3_000])
})

for (const [batchMax, order, failedMax] of [
  [1, 'global', 1],
  [500, 'global', 100],
  [1, 'key', 4],
] as const) {
  test(`the first failure too many ends a run with what is in hand, and it goes on there: ${order}, ${batchMax}`, async (t) => {
    const folder = await openFolder(t)
    let isBad = true
    const answer = async (id: string) =>
      isBad && Number(id) > 5_000 ? new ActionFailure('refused', 'X', 'never') : 'done'
    const action = recordingAction({ answer, batchMax })
    const orders = ordersOf(20_000, { keys: 20_000 })
    const options = { rules: [{ name: 'r', action }], order, concurrency: 4, checkpoints: { folder } }
    const source = () => listSource(orders, { pageEvents: 1_000 })
    const ended = await run({ ...options, source: source(), maxFailures: 0 })
    assert.deepEqual([ended.ended, ended.exitCode], ['too-many-failures', 6])
    assert.ok(ended.failed >= 1 && ended.failed <= failedMax, `${ended.failed}`)
    assert.equal(ended.read, ended.rules[0]!.acted + ended.failed)
    isBad = false
    const rest = await run({ ...options, source: source(), maxFailures: failedMax })
    assert.deepEqual([rest.ended, rest.read, rest.failed], ['done', 20_000, ended.failed])
    assert.equal(action.done.length, 20_000 - ended.failed)
    assert.equal(new Set(action.done).size, action.done.length)
  })
}

test('as many failures as are allowed are borne: of events, under however many rules', async () => {
  const answer = async (id: string) => (Number(id) <= 5 ? new ActionFailure('refused', 'X', 'never') : 'done')
  const endOf = async (maxFailures: number) => {
    const rules = ['a', 'b'].map((name) => ({ name, action: recordingAction({ answer }) }))
    return (await run({ source: listSource(ordersOf(20, { keys: 20 })), rules, maxFailures })).ended
  }
  assert.deepEqual([await endOf(5), await endOf(4)], ['done', 'too-many-failures'])
})

test('failures stand in the order in which they were read, whichever failed first', async (t) => {
  const folder = await openFolder(t)
  let second = () => {}
  const secondFailed = new Promise<void>((resolve) => {
    second = resolve
  })
  const answer = async (id: string) => {
    if (id === '1') await secondFailed
    // After it was told.
    else setImmediate(second)
    return new ActionFailure('refused', 'X', 'never')
  }
  const rules = [{ name: 'r', action: recordingAction({ answer }) }]
  const source = listSource(ordersOf(2, { keys: 2 }))
  await run({ source, rules, order: 'none', concurrency: 2, checkpoints: { folder } })
  const lines = readFileSync(folder.failuresOf(1), 'utf8').trimEnd().split('\n')
  assert.deepEqual(
    lines.map((line) => readFailureLine(line)!.position),
    [1, 2],
  )
})

test('without a place for failures a source is told of nothing behind the first', async () => {
  const answer = async (id: string) => (id === '1' ? new ActionFailure('refused', 'X', 'never') : 'done')
  const source = listSource(ordersOf(100, { keys: 100 }))
  await run({ source, rules: [{ name: 'r', action: recordingAction({ answer }) }] })
  assert.deepEqual(source.settled, [])
  const good = listSource(ordersOf(100, { keys: 100 }))
  await run({ source: good, rules: [{ name: 'r', action: recordingAction() }] })
  assert.equal(good.settled.at(-1), '100')
})

test('a run ends where more keys than memory should hold wait behind a failure', async () => {
  const refuse = () => new ReplayError('REPLAY_EVENT_REFUSED', 'never')
  const report = await run({
    source: listSource(ordersOf(120_000, { keys: 120_000 }), { pageEvents: 5_000 }),
    rules: [{ name: 'r', action: recordingAction({ refuse, batchMax: 500 }) }],
    maxFailures: '100%',
  })
  assert.equal(report.ended, 'too-many-failures')
  assert.ok(report.failed > 100_000 && report.failed < 120_000, `${report.failed}`)
})

test('an abort ends it after what is in hand, and what is left is done by the next', async (t) => {
  const folder = await openFolder(t)
  const stop = new AbortController()
  const action = recordingAction({
    answer: async (id) => {
      if (id === '700') stop.abort()
      return 'done'
    },
  })
  const orders = ordersOf(5_000, { keys: 3 })
  const options = { rules: [{ name: 'r', action }], checkpoints: { folder } }
  const ended = await run({ ...options, source: listSource(orders), signal: stop.signal })
  assert.deepEqual([ended.ended, ended.exitCode], ['interrupted', 130])
  await run({ ...options, source: listSource(orders) })
  assert.deepEqual(
    action.done,
    orders.map(({ id }) => id),
  )
})

test('an abort is heard between the rounds of one page', async () => {
  const stop = new AbortController()
  const action = recordingAction({
    answer: async (id) => {
      if (id === '700') stop.abort()
      return 'done'
    },
  })
  const source = listSource(ordersOf(5_000, { keys: 3 }), { pageEvents: 5_000 })
  await run({ source, rules: [{ name: 'r', action }], signal: stop.signal })
  assert.ok(action.done.length >= 700 && action.done.length < 5_000, `${action.done.length}`)
})

test('a rate is kept', async () => {
  const action = recordingAction({ batchMax: 100 })
  const started = performance.now()
  await run({ source: listSource(ordersOf(50, { keys: 5 })), rules: [{ name: 'r', action }], rate: 200 })
  const ms = performance.now() - started
  // A tenth of a second's at a time: 20, 20 and 10.
  assert.ok(ms >= 195, `${ms} ms`)
})

test('recorded timing is kept, at its factor', async () => {
  const at: number[] = []
  const action = recordingAction({
    answer: async () => {
      at.push(performance.now())
      return 'done'
    },
  })
  const times = ['2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z', '2026-01-01T00:00:03Z']
  const source = listSource(times.map((time, n) => ({ id: String(n), time })))
  const startedAt = performance.now()
  await run({ source, rules: [{ name: 'r', action }], speed: 20 })
  // Of the run: a late event does not make those after it late.
  const [, second, third] = at.map((one) => one - startedAt)
  assert.ok(second! >= 45 && third! >= 145, `${second}, ${third}`)
})

test('a folder has one run at a time, and is gone where nothing is left to do', async (t) => {
  const folder = await openFolder(t)
  await assert.rejects(RunFolder.open(folder.folder), { code: 'REPLAY_RUN_BUSY' })
  await folder.tidy({ pass: 1, isNeeded: false })
  assert.equal(existsSync(folder.folder), false)
})

test('options that cannot be are refused', async () => {
  const rules = [{ name: 'r', action: recordingAction() }]
  for (const wrong of [
    { rules: [] },
    { rules: [...rules, ...rules] },
    { concurrency: 0 },
    { maxFailures: -1 },
    { rate: 0 },
    { speed: Number.NaN },
  ]) {
    await assert.rejects(run({ source: listSource([]), rules, ...wrong }), TypeError)
  }
})

async function run(options: Omit<ReplayOptions, 'run'>) {
  return await replay({ run: 'test', ...options })
}

async function openFolder(t: TestContext): Promise<RunFolder> {
  const parent = mkdtempSync(join(tmpdir(), 'backstory-replay-'))
  t.after(() => rmSync(parent, { recursive: true, force: true }))
  return await RunFolder.open(join(parent, 'run'))
}

test('an action or a source that does not close well is told, and what went wrong before it first', async () => {
  const action = { ...recordingAction(), close: async () => Promise.reject(new Error('not closed')) }
  const rules = [{ name: 'r', action }]
  await assert.rejects(run({ source: listSource(ordersOf(3, { keys: 1 })), rules }), /not closed/)
  const broken = { ...listSource([]), open: async () => Promise.reject(new Error('not opened')) }
  await assert.rejects(run({ source: broken, rules }), /not opened/)
})

test('of two rules one that throws ends the other, before anything is closed', async () => {
  const broken = recordingAction({
    answer: async () => {
      await new Promise(setImmediate)
      throw new Error('a bug of the action')
    },
  })
  const other = recordingAction({
    answer: async () => {
      await new Promise((resolve) => setTimeout(resolve, 2))
      assert.equal(other.calls.closed, 0)
      return 'done'
    },
  })
  const rules = [
    { name: 'broken', action: broken },
    { name: 'other', action: other },
  ]
  await assert.rejects(run({ source: listSource(ordersOf(20, { keys: 20 })), rules }), /a bug of the action/)
  const { length } = other.done
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(other.done.length, length)
  assert.ok(length < 20)
})

test('failures are tried again under the rules that they failed under, which a mended plan has to have', async (t) => {
  const folder = await openFolder(t)
  const failing = recordingAction({ answer: async () => new ActionFailure('refused', 'X', 'never') })
  const orders = ordersOf(3, { keys: 3 })
  await run({
    source: listSource(orders),
    rules: [{ name: 'paid', action: failing }],
    checkpoints: { folder },
  })
  const lines = readFileSync(folder.failuresOf(1), 'utf8').trimEnd().split('\n')
  const failures = () => {
    const failed = lines.map((line) => readFailureLine(line)!)
    const source = listSource(failed.map(({ text }) => text))
    return {
      ...source,
      async *read(options: Parameters<typeof source.read>[0]) {
        for await (const page of source.read(options)) {
          const events = page.events.map((event) =>
            Object.defineProperty(event, 'causes', { value: failed[event.position - 1]!.causes }),
          )
          yield { ...page, events }
        }
      },
    }
  }
  const again = recordingAction()
  const checkpoints = { folder, pass: 2 }
  const renamed = run({ source: failures(), rules: [{ name: 'settled', action: again }], checkpoints })
  await assert.rejects(renamed, { code: 'REPLAY_PLAN_INVALID' })
  assert.deepEqual(again.done, [])
  // As a source of its own it is for any rule.
  await run({ source: failures(), rules: [{ name: 'settled', action: again }] })
  await run({ source: failures(), rules: [{ name: 'paid', action: again }], checkpoints })
  assert.equal(again.done.length, 6)
})

test('a round is as large as is acted on in about a second', async () => {
  const stop = new AbortController()
  const slow = recordingAction({
    answer: async (id) => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      // The first two are begun before anything is known.
      if (id === '60') stop.abort()
      return 'done'
    },
  })
  await run({
    source: listSource(ordersOf(5_000, { keys: 5_000 }), { pageEvents: 1_000 }),
    rules: [{ name: 'r', action: slow }],
    signal: stop.signal,
  })
  assert.ok(slow.done.length <= 200, `${slow.done.length}`)
})

test('progress tells the bytes of what is done with, not those of a page that was read', async () => {
  const told: [done: number, bytes: number][] = []
  const source = listSource(ordersOf(100, { keys: 1 }), { pageEvents: 50 })
  const { read } = source
  source.read = async function* (options) {
    let bytes = 0
    for await (const page of read(options)) {
      bytes += 1_000
      yield { ...page, bytes }
    }
  }
  const onProgress = ({ read: done, bytes }: ReplayProgress) => told.push([done, bytes])
  await run({ source, rules: [{ name: 'r', action: recordingAction() }], rate: 20_000, onProgress })
  assert.ok(told.length >= 3)
  for (const [done, bytes] of told) assert.equal(bytes, done * 20)
  assert.deepEqual(told.at(-1), [100, 2_000])
})
