import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { openHistory } from '../open-history.ts'
import { auditHistory, type HistoryAudit } from './history-audit.ts'
import { inOrder, type Published, sequencedHistory } from './sequenced-history.fixture.ts'

/** Findings only, of those kinds that have any. */
function found(audit: HistoryAudit): Partial<Record<string, readonly object[]>> {
  const kinds = ['removed', 'changed', 'holes', 'late', 'repeated'] as const
  const some = kinds.filter((kind) => audit[kind].count > 0)
  assert.equal(audit.clean, some.length === 0)
  return Object.fromEntries(some.map((kind) => [kind, audit[kind].listed]))
}

test('a history as it was published is clean, whatever sources, epochs and batches', async (t) => {
  const history = sequencedHistory(t)
  const other = inOrder(900, { source: '/billing', epoch: '0b' })
  const events = inOrder(1_500).flatMap((event, index) => [event, ...other.slice(index, index + 1)])
  await history.record([...events, ...inOrder(3, { epoch: '0c' })], { batch: 13 })
  const audit = await history.audit()
  assert.deepEqual(found(audit), {})
  assert.deepEqual(
    {
      exchange: audit.exchange,
      first: audit.first,
      head: audit.head,
      held: audit.held,
      judged: audit.judged,
    },
    { exchange: 'orders', first: 1, head: 2_403, held: 2_403, judged: 2_403 },
  )
  assert.deepEqual(audit.epochs.listed, [
    { source: '/billing', epoch: '0b', events: 900, lowest: 1, highest: 900 },
    { source: '/sales', epoch: '0a', events: 1_500, lowest: 1, highest: 1_500 },
    { source: '/sales', epoch: '0c', events: 3, lowest: 1, highest: 3 },
  ])
})

test('an empty history is clean', async (t) => {
  const history = sequencedHistory(t)
  await history.record([])
  const audit = await history.audit()
  assert.deepEqual(found(audit), {})
  assert.deepEqual([audit.first, audit.head, audit.held], [1, 0, 0])
})

test('one event removed by hand is named exactly: its position, source, epoch and sequence', async (t) => {
  const history = sequencedHistory(t)
  const other = inOrder(30, { source: '/billing', epoch: '0b' })
  await history.record(inOrder(30).flatMap((event, index) => [event, other[index]!]))
  for (let position = 2; position <= 58; position++) {
    await history.tamper((database) => {
      database.exec(`CREATE TABLE aside AS SELECT * FROM events WHERE position = ${position}`)
      database.exec(`DELETE FROM events WHERE position = ${position}`)
    })
    const [source, epoch] = position % 2 === 1 ? ['/sales', '0a'] : ['/billing', '0b']
    const sequence = Math.ceil(position / 2)
    const sequences = [{ source, epoch, from: sequence, to: sequence }]
    assert.deepEqual(found(await history.audit()), { removed: [{ from: position, to: position, sequences }] })
    await history.tamper((database) => {
      database.exec('INSERT INTO events SELECT * FROM aside; DROP TABLE aside')
    })
    assert.equal((await history.audit()).clean, true)
  }
})

test('of what was removed at the end, or had no number, the position is named', async (t) => {
  const history = sequencedHistory(t)
  await history.record([...inOrder(5), { source: '/legacy' }, ...inOrder(3, { epoch: '0b' })])
  await history.tamper((database) => database.exec('DELETE FROM events WHERE position IN (6, 9)'))
  assert.deepEqual(found(await history.audit()), {
    removed: [
      { from: 6, to: 6, sequences: [] },
      { from: 9, to: 9, sequences: [] },
    ],
  })
  await history.record(inOrder(2, { epoch: '0c' }))
  assert.deepEqual((await history.audit()).removed.listed, [
    { from: 6, to: 6, sequences: [] },
    { from: 9, to: 9, sequences: [] },
  ])
})

test('events of several sources that were removed together are named by their numbers', async (t) => {
  const history = sequencedHistory(t)
  const other = inOrder(10, { source: '/billing', epoch: '0b' })
  await history.record(inOrder(10).flatMap((event, index) => [event, other[index]!]))
  await history.tamper((database) => database.exec('DELETE FROM events WHERE position BETWEEN 7 AND 9'))
  assert.deepEqual(found(await history.audit()), {
    removed: [
      {
        from: 7,
        to: 9,
        sequences: [
          { source: '/billing', epoch: '0b', from: 4, to: 4 },
          { source: '/sales', epoch: '0a', from: 4, to: 5 },
        ],
      },
    ],
  })
})

test('a number that was never recorded is a hole, named with the positions around it', async (t) => {
  const history = sequencedHistory(t)
  const sequences = [2, 3, 7, 8]
  await history.record(sequences.map((sequence) => ({ sequence })))
  assert.deepEqual(found(await history.audit()), {
    holes: [
      { source: '/sales', epoch: '0a', from: 1, to: 1, after: undefined, before: 1 },
      { source: '/sales', epoch: '0a', from: 4, to: 6, after: 2, before: 3 },
    ],
  })
})

test('a removed event and one that was never recorded, in one place, are not taken for each other', async (t) => {
  const history = sequencedHistory(t)
  const sales = [1, 2, 4, 5].map((sequence) => ({ sequence }))
  const legacy = { source: '/legacy' }
  await history.record([...sales.slice(0, 2), legacy, legacy, ...sales.slice(2)])
  await history.tamper((database) => database.exec('DELETE FROM events WHERE position IN (3, 4)'))
  assert.deepEqual(found(await history.audit()), {
    removed: [{ from: 3, to: 4, sequences: [] }],
    holes: [{ source: '/sales', epoch: '0a', from: 3, to: 3, after: 2, before: 5 }],
  })
})

test('late and repeated events are named, with what was there before them', async (t) => {
  const history = sequencedHistory(t)
  const sequences = [1, 2, 5, 3, 6, 5, 6, 4]
  await history.record(sequences.map((sequence, index) => ({ sequence, id: `e${index + 1}` })))
  const ours = { source: '/sales', epoch: '0a' }
  assert.deepEqual(found(await history.audit()), {
    late: [
      { ...ours, sequence: 3, position: 4, id: 'e4', highest: 5, highestAt: 3 },
      { ...ours, sequence: 4, position: 8, id: 'e8', highest: 6, highestAt: 5 },
    ],
    repeated: [
      { ...ours, sequence: 5, position: 6, id: 'e6', highest: 6, highestAt: 5, firstAt: 3, firstId: 'e3' },
      { ...ours, sequence: 6, position: 7, id: 'e7', highest: 6, highestAt: 5, firstAt: 5, firstId: 'e5' },
    ],
  })
})

test('whatever comes in whatever order, the findings are those of someone who keeps every number', async (t) => {
  const event = fc.record({
    source: fc.constantFrom('/a', '/b'),
    epoch: fc.constantFrom('0a', '0b'),
    sequence: fc.integer({ min: 1, max: 12 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 40 }), async (events) => {
      const history = sequencedHistory(t)
      await history.record(events)
      const { holes, late, repeated } = await history.audit()
      const expected = keepingEveryNumber(events)
      assert.deepEqual(
        holes.listed.map(({ source, epoch, from, to }) => `${source} ${epoch} ${from} ${to}`).sort(),
        expected.holes.sort(),
      )
      assert.deepEqual(
        late.listed.map(({ position }) => position),
        expected.late,
      )
      assert.deepEqual(
        repeated.listed.map(({ position, firstAt }) => [position, firstAt]),
        expected.repeated,
      )
    }),
    { numRuns: 60 },
  )
})

function keepingEveryNumber(events: readonly Required<Pick<Published, 'source' | 'epoch' | 'sequence'>>[]) {
  const seen = new Map<string, Map<number, number>>()
  const late: number[] = []
  const repeated: number[][] = []
  for (const [index, { source, epoch, sequence }] of events.entries()) {
    const key = `${source} ${epoch}`
    const numbers = seen.get(key) ?? new Map<number, number>()
    seen.set(key, numbers)
    const before = numbers.get(sequence)
    if (before !== undefined) repeated.push([index + 1, before])
    else {
      if (sequence < Math.max(0, ...numbers.keys())) late.push(index + 1)
      numbers.set(sequence, index + 1)
    }
  }
  const holes = [...seen].flatMap(([key, numbers]) => {
    const found = []
    for (let from = 1; from < Math.max(...numbers.keys()); from++) {
      if (numbers.has(from)) continue
      let to = from
      while (!numbers.has(to + 1)) to += 1
      found.push(`${key} ${from} ${to}`)
      from = to
    }
    return found
  })
  return { holes, late, repeated }
}

test('an event that is published again under a new number leaves no hole, and a loss beside it is one', async (t) => {
  const history = sequencedHistory(t)
  const ids = Array.from({ length: 1_500 }, (_, index) => `e${index + 1}`)
  const published = (epoch: string) => ids.map((id, index) => ({ id, epoch, sequence: index + 1 }))
  await history.record(published('0a'))
  // Redelivered, with the number that it had; then a publisher that was killed sends all of them again.
  await history.record(published('0a').slice(0, 10))
  await history.record([...published('0b'), { id: 'new', epoch: '0b', sequence: 1_502 }])
  await history.record([{ id: 'e7', epoch: '0b', sequence: 1_503 }])
  const { clean, holes, late, repeated, held } = await history.audit()
  assert.deepEqual(
    { clean, held, holes: holes.count, late: late.count, repeated: repeated.count },
    { clean: false, held: 1_501, holes: 1, late: 0, repeated: 0 },
  )
  const [hole] = holes.listed
  assert.deepEqual([hole!.epoch, hole!.from, hole!.to], ['0b', 1_501, 1_501])
  const reader = openHistory({ history: history.path })
  const spent = await reader.spentSequences({ after: 1_499, upTo: 1_501, limit: 10 })
  await reader.close()
  assert.deepEqual(
    spent.map(({ number, position, sequence }) => [number, position, sequence]),
    [
      [1_500, 1_500, 1_500],
      [1_501, 1_501, 1_503],
    ],
  )
})

test('what lies before the first event of a truncated history is no finding', async (t) => {
  const history = sequencedHistory(t)
  await history.record([...inOrder(20), ...inOrder(20, { source: '/billing', epoch: '0b' })])
  for (const first of [2, 8, 15, 31]) {
    await history.tamper((database) => database.prepare('DELETE FROM events WHERE position < ?').run(first))
    const audit = await history.audit()
    assert.deepEqual([found(audit), audit.first, audit.held], [{}, first, 41 - first])
  }
  await history.tamper((database) => database.exec('DELETE FROM events WHERE position = 35'))
  assert.deepEqual(found(await history.audit()), {
    removed: [{ from: 35, to: 35, sequences: [{ source: '/billing', epoch: '0b', from: 15, to: 15 }] }],
  })
  await history.tamper((database) => database.exec('DELETE FROM events'))
  const nothing = await history.audit()
  assert.deepEqual([found(nothing), nothing.first, nothing.head, nothing.held], [{}, 41, 40, 0])
})

test('an event whose identity was changed by hand is named by its batch, and no other one', async (t) => {
  const history = sequencedHistory(t)
  await history.record(inOrder(30), { batch: 10 })
  await history.tamper((database) => database.exec("UPDATE events SET id = 'another' WHERE position = 14"))
  assert.deepEqual(found(await history.audit()), { changed: [{ from: 11, to: 20 }] })
  await history.tamper((database) => database.exec('DELETE FROM events WHERE position = 25'))
  const { changed, removed } = await history.audit()
  assert.deepEqual(changed.listed, [{ from: 11, to: 20 }])
  assert.equal(removed.listed[0]!.from, 25)
})

test('checkpoints that were changed or removed by hand are told', async (t) => {
  const history = sequencedHistory(t)
  await history.record(inOrder(30), { batch: 10 })
  await history.tamper((database) =>
    database.exec("UPDATE checkpoints SET checksum = 'x' WHERE position = 10"),
  )
  assert.deepEqual(found(await history.audit()), { changed: [{ from: 1, to: 10 }] })
  await history.tamper((database) => database.exec('DELETE FROM checkpoints WHERE position = 10'))
  assert.deepEqual(found(await history.audit()), {})
  await history.tamper((database) => database.exec('DELETE FROM checkpoints WHERE position = 30'))
  assert.deepEqual(found(await history.audit()), { changed: [{ from: 21, to: 30 }] })
})

test('a checkpoint that was changed by hand hides neither a missing event nor a changed one behind it', async (t) => {
  const history = sequencedHistory(t)
  await history.record(inOrder(40), { batch: 10 })
  await history.tamper((database) =>
    database.exec(
      `UPDATE checkpoints SET checksum = '' WHERE position IN (10, 30); DELETE FROM events WHERE position = 25;
       UPDATE events SET id = 'another' WHERE position = 15`,
    ),
  )
  const { changed, removed } = await history.audit()
  assert.deepEqual(changed.listed, [
    { from: 1, to: 10 },
    { from: 11, to: 20 },
    { from: 21, to: 30 },
  ])
  assert.deepEqual(removed.count, 1)
})

test('events without a sequence are not judged, and counted by source', async (t) => {
  const history = sequencedHistory(t)
  await history.record([{ source: '/legacy' }, ...inOrder(2), { source: '/legacy' }, { source: '/other' }])
  const audit = await history.audit()
  assert.deepEqual(found(audit), {})
  assert.deepEqual(audit.judged, 2)
  assert.deepEqual(audit.unjudged, {
    count: 3,
    sources: [
      { source: '/legacy', count: 2 },
      { source: '/other', count: 1 },
    ],
    others: 0,
  })
})

test('findings beyond a thousand are counted, not listed', async (t) => {
  const history = sequencedHistory(t)
  const every = Array.from({ length: 1_500 }, (_, index) => ({ sequence: 2 * index + 1 }))
  await history.record(every, { batch: 500 })
  const { holes } = await history.audit()
  assert.deepEqual([holes.count, holes.listed.length, holes.listed[0]!.from], [1_499, 1_000, 2])
})

test('a recorder that goes on meanwhile raises no alarm', async (t) => {
  const history = sequencedHistory(t)
  const all = inOrder(2_600)
  await history.record(all.slice(0, 2_100))
  const writing: Promise<void>[] = []
  const positions: number[] = []
  const audit = await history.audit({
    onProgress: ({ position }) => {
      positions.push(position)
      if (position === 1_000) writing.push(history.record(all.slice(2_100)))
    },
  })
  await Promise.all(writing)
  assert.deepEqual(found(audit), {})
  assert.deepEqual(positions, [1_000, 2_000, 2_100])
  assert.equal((await history.audit()).head, 2_600)
})

test('an audit ends when told to', async (t) => {
  const history = sequencedHistory(t)
  await history.record(inOrder(3_000), { batch: 500 })
  const controller = new AbortController()
  const reader = openHistory({ history: history.path })
  t.after(() => reader.close())
  const reason = new Error('enough')
  await assert.rejects(
    auditHistory(reader, { signal: controller.signal, onProgress: () => controller.abort(reason) }),
    reason,
  )
})
