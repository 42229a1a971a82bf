import assert from 'node:assert/strict'
import { appendFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { auditHistory } from '../audit/history-audit.ts'
import { openHistoryKeeper, openHistoryWriter } from '../open-history.ts'
import type { HistoryReader, Page } from '../reader.ts'
import { openSqlite } from '../sqlite/sqlite.ts'
import { copyHistory } from './copy-history.ts'
import { exportHistory } from './export-history.ts'
import { importHistory } from './import-history.ts'
import type { Manifest } from './manifest.ts'
import { exchange, hostile, openReader, order, orders, record, transferFolder } from './transfer.fixture.ts'
import { verifyHistory } from './verify-history.ts'

/** A history with duplicates, messages without identity, and whatever a publisher may send. */
async function hostileHistory(t: TestContext) {
  const { path } = transferFolder(t)
  const history = path('history.db')
  await record(history, [...orders(30), ...hostile, order(3, { sequence: 31 }), order(4, { sequence: 32 })])
  await record(history, orders(300, { from: 33 }), { batch: 110 })
  const reader = openReader(t, history)
  return { history, path, reader }
}

async function assertSame(t: TestContext, one: string, other: string): Promise<void> {
  const [a, b] = [openReader(t, one), openReader(t, other)]
  const verification = await verifyHistory(a, { against: b })
  assert.deepEqual(verification.different, { count: 0, listed: [] })
  assert.ok(verification.clean)
  assert.deepEqual(await b.summary(), await a.summary())
  const audit = await auditHistory(b)
  assert.deepEqual(audit, await auditHistory(a), 'no number that was spent on a duplicate is a hole')
}

for (const [what, name] of [
  ['a folder of parts', 'export'],
  ['one file', 'export.jsonl'],
  ['one compressed file', 'export.jsonl.gz'],
] as const) {
  test(`a history comes back out of ${what} byte for byte, with its positions, times and sums`, async (t) => {
    const { history, path, reader } = await hostileHistory(t)
    const manifest = await exportHistory(reader, { to: path(name), partEvents: 50 })
    assert.equal(manifest.count, 338)
    assert.equal(manifest.parts.length, 7)
    const imported = await importHistory({ from: path(name), history: path('copy.db') })
    assert.deepEqual(imported, { exchange, head: 338, imported: 338, present: 0, conflicts: 0 })
    await assertSame(t, history, path('copy.db'))
    const again = await importHistory({ from: path(name), history: path('copy.db') })
    assert.deepEqual(again, { exchange, head: 338, imported: 0, present: 338, conflicts: 0 })
  })
}

test('an export is CloudEvents that any gzip and any JSON reader reads', async (t) => {
  const { path, reader } = await hostileHistory(t)
  await exportHistory(reader, { to: path('e.jsonl.gz'), partEvents: 50 })
  const lines = gunzipSync(readFileSync(path('e.jsonl.gz')))
    .toString()
    .trimEnd()
    .split('\n')
  const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(
    events.map(({ position }) => position),
    Array.from({ length: 338 }, (_, index) => index + 1),
  )
  assert.ok(events.every(({ specversion, type }) => specversion === '1.0' && type !== ''))
})

test('a range begins with the sums of what lies below, and its history goes on', async (t) => {
  const { history, path, reader } = await hostileHistory(t)
  await exportHistory(reader, { to: path('old'), upTo: 200 })
  await exportHistory(reader, { to: path('new'), after: 200 })
  await importHistory({ from: path('new'), history: path('late.db') })
  const late = openReader(t, path('late.db'))
  assert.deepEqual(await late.summary(), await reader.summary())
  assert.deepEqual(await late.bounds(), { first: 201, head: 338 })
  assert.ok((await auditHistory(late)).clean)
  await exportHistory(late, { to: path('again') })
  await importHistory({ from: path('again'), history: path('again.db') })
  await assertSame(t, path('late.db'), path('again.db'))
  await importHistory({ from: path('old'), history: path('both.db') })
  const { imported } = await importHistory({ from: path('new'), history: path('both.db') })
  assert.equal(imported, 138)
  await assertSame(t, history, path('both.db'))
})

test('a range that does not follow the head is refused, and names both', async (t) => {
  const { path, reader } = await hostileHistory(t)
  await exportHistory(reader, { to: path('new'), after: 200 })
  await record(path('other.db'), orders(10))
  await assert.rejects(importHistory({ from: path('new'), history: path('other.db') }), {
    code: 'HISTORY_CONFLICT',
    message: /Position 201 .* head is 10/,
  })
})

test('an export goes on where it was interrupted, with what was recorded meanwhile left out', async (t) => {
  const { history, path, reader } = await hostileHistory(t)
  await exportHistory(reader, { to: path('whole'), partEvents: 50, upTo: 338 })
  for (const to of [path('e'), path('e.jsonl')]) {
    for (const stopAt of [1, 150, 338]) {
      const controller = new AbortController()
      const onProgress = ({ position }: { position: number }) => {
        if (position >= stopAt) controller.abort(new Error('interrupted'))
      }
      const options = { to, partEvents: 50, signal: controller.signal, onProgress }
      await exportHistory(reader, options).catch((error: Error) => assert.equal(error.message, 'interrupted'))
    }
    await record(history, [order(to.length + 10_000)])
    const finished = await exportHistory(reader, { to, partEvents: 50 })
    assert.equal(finished.upTo, to === path('e') ? 338 : 339)
  }
  const files = readdirSync(path('e')).sort()
  assert.deepEqual(files, readdirSync(path('whole')).sort())
  for (const file of files.filter((name) => name !== 'manifest.json')) {
    assert.deepEqual(readFileSync(join(path('e'), file)), readFileSync(join(path('whole'), file)))
  }
  const again = await exportHistory(reader, { to: path('e'), partEvents: 50 })
  assert.equal(again.upTo, 338, 'what is finished is left as it is')
})

test('a place that holds another export is left alone', async (t) => {
  const { path, reader } = await hostileHistory(t)
  await exportHistory(reader, { to: path('e'), upTo: 10 })
  await record(path('other.db'), orders(20))
  const code = 'HISTORY_EXPORT_EXISTS'
  await assert.rejects(exportHistory(reader, { to: path('e'), upTo: 11 }), { code })
  await assert.rejects(exportHistory(reader, { to: path('e'), gzip: true }), { code })
  await assert.rejects(exportHistory(reader, { to: path('e'), filter: { types: ['x'] } }), { code })
})

test('an export by a filter says so, and is imported as new events only, once each', async (t) => {
  const { path, reader } = await hostileHistory(t)
  const filter = { types: ['order.paid'] }
  const { count, parts } = await exportHistory(reader, { to: path('paid'), filter, partEvents: 50 })
  assert.equal(count, 110)
  assert.equal(parts.length, 3)
  const options = { from: path('paid'), history: path('paid.db') }
  await assert.rejects(importHistory(options), { code: 'HISTORY_CONFLICT', message: /--append/ })
  const { imported, head } = await importHistory({ ...options, append: true })
  assert.deepEqual([imported, head], [110, 110])
  assert.equal((await importHistory({ ...options, append: true })).present, 110)
})

test("somebody else's CloudEvents are recorded as new events, once each", async (t) => {
  const { path } = transferFolder(t)
  const lines = [1, 2, 3].map(
    (id) => `{"specversion":"1.0","id":"${id}","source":"/s","type":"t","data":{"n": ${id}.0}}`,
  )
  writeFileSync(path('foreign.jsonl'), `${lines.join('\r\n\n')}\n`)
  const options = { from: path('foreign.jsonl'), history: path('h.db') }
  await assert.rejects(importHistory(options), { code: 'HISTORY_NOT_FOUND', message: /--exchange/ })
  assert.equal((await importHistory({ ...options, exchange })).imported, 3)
  writeFileSync(path('foreign.jsonl'), gzipSync(`${[...lines, lines[0]!.replaceAll('1', '9')].join('\n')}`))
  const { imported, present } = await importHistory(options).catch((error: Error) => {
    assert.match(error.message, /specversion "9.0"/)
    writeFileSync(
      path('foreign.jsonl'),
      gzipSync([...lines, lines[0]!.replace('"id":"1"', '"id":"9"')].join('\n')),
    )
    return importHistory(options)
  })
  assert.deepEqual([imported, present], [1, 3])
  const event = await openReader(t, path('h.db')).at(1)
  assert.equal(event!.message.body.toString(), '{"n": 1.0}')
  assert.equal(event!.message.exchange, exchange)
})

/** What was done to an export, and what is said of it. */
const damages: readonly (readonly [what: string, damage: (folder: string) => void, told: RegExp])[] = [
  [
    'a byte of a body',
    (folder) => {
      const file = join(folder, 'part-000002.jsonl')
      const text = readFileSync(file, 'utf8')
      writeFileSync(file, text.replace('"number":77}', '"number":78}'))
    },
    /part-000002\.jsonl .* SHA-256 of its lines 1 to 50 \(positions 51 to 100\)/,
  ],
  [
    'a line that is no JSON any more',
    (folder) => {
      const file = join(folder, 'part-000002.jsonl')
      writeFileSync(file, readFileSync(file, 'utf8').replace('"number":77}', '"number":7x}'))
    },
    /part-000002\.jsonl, line 27, is no JSON/,
  ],
  [
    'two lines in the other order',
    (folder) => {
      const file = join(folder, 'part-000001.jsonl')
      const lines = readFileSync(file, 'utf8').split('\n')
      ;[lines[8], lines[9]] = [lines[9]!, lines[8]!]
      writeFileSync(file, lines.join('\n'))
    },
    /part-000001\.jsonl, line 9, has position 10, not 9/,
  ],
  [
    'a byte that is no UTF-8',
    (folder) => {
      const file = join(folder, 'part-000001.jsonl')
      const bytes = readFileSync(file)
      bytes[bytes.indexOf('\n') + 20] = 0xff
      writeFileSync(file, bytes)
    },
    /part-000001\.jsonl, line 2, is no UTF-8/,
  ],
  [
    'its end',
    (folder) => truncateSync(join(folder, 'part-000002.jsonl'), 1_000),
    /part-000002\.jsonl was cut off/,
  ],
  ['its manifest', (folder) => editManifest(folder, (m) => ({ ...m, count: 99 })), /parts have 100 events/],
  [
    'a part that it leads to',
    (folder) =>
      editManifest(folder, (m) => ({ ...m, parts: [{ ...m.parts[0]!, file: '../x' }, m.parts[1]!] })),
    /a member is missing or of another kind/,
  ],
]

function editManifest(folder: string, edit: (manifest: Manifest) => object): void {
  const file = join(folder, 'manifest.json')
  writeFileSync(file, JSON.stringify(edit(JSON.parse(readFileSync(file, 'utf8')) as Manifest)))
}

for (const [what, damage, told] of damages) {
  test(`an export is refused before anything is written where it was altered: ${what}`, async (t) => {
    const { path } = transferFolder(t)
    await record(path('h.db'), orders(100))
    await exportHistory(openReader(t, path('h.db')), { to: path('e'), partEvents: 50 })
    damage(path('e'))
    const importing = importHistory({ from: path('e'), history: path('copy.db') })
    await assert.rejects(importing, { name: 'HistoryError', code: 'HISTORY_EXPORT_DAMAGED', message: told })
    assert.ok(!readdirSync(path('.')).includes('copy.db'))
  })
}

test('lines without a manifest are refused at the first bad one by its number, what came before is whole', async (t) => {
  const { path } = transferFolder(t)
  await record(path('h.db'), orders(4_000))
  await exportHistory(openReader(t, path('h.db')), { to: path('e.jsonl'), partEvents: 4_000 })
  const text = readFileSync(path('e.jsonl'), 'utf8')
  const at = text.indexOf('"o-3921"')
  writeFileSync(path('bare.jsonl'), text.slice(0, at))
  const options = { from: path('bare.jsonl'), history: path('copy.db'), exchange }
  const code = 'HISTORY_EXPORT_DAMAGED'
  await assert.rejects(importHistory(options), { code, message: /bare\.jsonl, line 3921, is no JSON/ })
  const { clean, head } = await verifyHistory(openReader(t, path('copy.db')))
  assert.ok(clean && head > 0 && head < 3_921)
  writeFileSync(path('bare.jsonl'), gzipSync(text).subarray(0, 10_000))
  await assert.rejects(importHistory(options), { code, message: /bare\.jsonl is no whole gzip/ })
  writeFileSync(path('bare.jsonl'), gzipSync(text))
  appendFileSync(path('bare.jsonl'), 'and more')
  await assert.rejects(importHistory(options), { code, message: /bare\.jsonl is no whole gzip/ })
  writeFileSync(path('bare.jsonl'), text)
  assert.equal((await importHistory(options)).head, 4_000)
})

test('an import into another history is refused, and names both events', async (t) => {
  const { path } = transferFolder(t)
  await record(path('h.db'), orders(20))
  await exportHistory(openReader(t, path('h.db')), { to: path('e') })
  await record(path('other.db'), [...orders(9), order(99)])
  const importing = importHistory({ from: path('e'), history: path('other.db') })
  await assert.rejects(importing, {
    code: 'HISTORY_CONFLICT',
    message:
      /part-000001\.jsonl, line \d+: event o-1 of \/sales has position 1, where there is event o-1 of \/sales, different in its recorded time/,
  })
  assert.equal((await openReader(t, path('other.db')).bounds()).head, 10)
})

test('while a recorder has the history, an import into it is refused', async (t) => {
  const { path } = transferFolder(t)
  await record(path('h.db'), orders(20))
  await exportHistory(openReader(t, path('h.db')), { to: path('e') })
  const recorder = await openHistoryWriter({ history: path('h.db'), exchange })
  await assert.rejects(importHistory({ from: path('e'), history: path('h.db') }), { code: 'HISTORY_LOCKED' })
  await recorder.close()
})

test('a copy is the same history, goes on where it was interrupted, and is made of its own history only', async (t) => {
  const { history, path, reader } = await hostileHistory(t)
  const controller = new AbortController()
  const interrupted = copyHistory(reader, {
    to: path('copy.db'),
    signal: controller.signal,
    onProgress: () => controller.abort(new Error('interrupted')),
  })
  await record(history, orders(1_500, { from: 333 }))
  await interrupted.catch((error: Error) => assert.equal(error.message, 'interrupted'))
  await copyHistory(reader, { to: path('copy.db') })
  await assertSame(t, history, path('copy.db'))
  assert.equal((await copyHistory(reader, { to: path('copy.db') })).copied, 0)
  await record(path('other.db'), orders(5))
  await assert.rejects(copyHistory(reader, { to: path('other.db') }), { code: 'HISTORY_CONFLICT' })
})

test('what was erased stays so in all that is made of the history, with the record of it', async (t) => {
  const { history, path, reader } = await hostileHistory(t)
  await exportHistory(reader, { to: path('before') })
  await copyHistory(reader, { to: path('old.db') })
  const interrupted = exportHistory(reader, {
    to: path('begun'),
    partEvents: 50,
    onProgress: ({ position }) => {
      if (position > 100) throw new Error('interrupted')
    },
  })
  await assert.rejects(interrupted, /interrupted/)
  await using keeper = await openHistoryKeeper({ history })
  const erasure = await keeper.erase({ subject: 'EC-7', reason: 'asked to', by: 'me' })
  assert.equal(erasure?.events, 4)
  await exportHistory(reader, { to: path('after.jsonl') })
  assert.doesNotMatch(readFileSync(path('after.jsonl'), 'utf8'), /"number":(7|107|207|307)\}/)
  await importHistory({ from: path('after.jsonl'), history: path('new.db') })
  await assertSame(t, history, path('new.db'))
  const moved = openReader(t, path('new.db'))
  assert.deepEqual(await moved.erasures({ after: 0 }), [erasure])
  assert.equal((await moved.find({ source: '/sales', id: 'o-7' }))?.erased, 1)
  await copyHistory(reader, { to: path('copy.db') })
  await assertSame(t, history, path('copy.db'))
  const code = 'HISTORY_CONFLICT'
  const { present } = await importHistory({ from: path('before'), history: path('new.db') })
  assert.equal(present, 338, 'an older export does not bring it back')
  await assertSame(t, history, path('new.db'))
  const late = importHistory({ from: path('after.jsonl'), history: path('old.db') })
  await assert.rejects(late, {
    code,
    message: /line 7: position 7 was erased there, .* erase --subject EC-7/,
  })
  await assert.rejects(exportHistory(reader, { to: path('begun'), partEvents: 50 }), {
    code: 'HISTORY_EXPORT_EXISTS',
    message: /erased or pruned in the history since/,
  })
})

test('what a copy or an import has of an erased subject from before is named, not taken for erased', async (t) => {
  const { path } = transferFolder(t)
  await record(path('h.db'), orders(2_500))
  const reader = openReader(t, path('h.db'))
  await exportHistory(reader, { to: path('beginning.jsonl'), upTo: 1_000 })
  await importHistory({ from: path('beginning.jsonl'), history: path('imported.db') })
  await using keeper = await openHistoryKeeper({ history: path('h.db') })
  const erasing = { subject: 'EC-7', reason: 'asked to', by: 'me' }
  // While the second page is on its way.
  const racing = new Proxy(reader, {
    get(target, name: keyof HistoryReader) {
      if (name !== 'read') return (target[name] as () => unknown).bind(target)
      return async (page: Page) => {
        const events = await target.read(page)
        if (page.after === 1_000) await keeper.erase(erasing)
        return events
      }
    },
  })
  const conflict = { code: 'HISTORY_CONFLICT', message: /osition 7 was erased there, .* --subject EC-7/ }
  await assert.rejects(copyHistory(racing, { to: path('copy.db') }), conflict)
  await assert.rejects(copyHistory(reader, { to: path('copy.db') }), conflict)
  await exportHistory(reader, { to: path('rest.jsonl'), after: 1_000 })
  const rest = { from: path('rest.jsonl'), history: path('imported.db') }
  await assert.rejects(importHistory(rest), conflict)
  for (const history of [path('copy.db'), path('imported.db')]) {
    assert.deepEqual(await openReader(t, history).erasures({ after: 0 }), [], 'no record of what is whole')
    await using here = await openHistoryKeeper({ history })
    await here.erase(erasing)
  }
  await copyHistory(reader, { to: path('copy.db') })
  await importHistory(rest)
  await assertSame(t, path('h.db'), path('copy.db'))
  await assertSame(t, path('h.db'), path('imported.db'))
})

test('what was pruned stays so in all that is made of the history, and its sums hold', async (t) => {
  const { history, path, reader } = await hostileHistory(t)
  await exportHistory(reader, { to: path('before') })
  await using keeper = await openHistoryKeeper({ history })
  await keeper.prune({ keepEvents: 300, force: true })
  await keeper.prune({ type: 'order.paid', keepEvents: 5, force: true })
  await exportHistory(reader, { to: path('after'), partEvents: 40 })
  await importHistory({ from: path('after'), history: path('new.db') })
  await assertSame(t, history, path('new.db'))
  const moved = openReader(t, path('new.db'))
  const ranges = await reader.pruned({ after: 0, limit: 999 })
  assert.ok(ranges.length > 50 && ranges[0]!.first === 1)
  assert.deepEqual(await moved.pruned({ after: 0, limit: 999 }), ranges)
  await copyHistory(reader, { to: path('copy.db') })
  await assertSame(t, history, path('copy.db'))
  const { present, imported } = await importHistory({ from: path('before'), history: path('new.db') })
  assert.deepEqual([present, imported], [338, 0], 'an older export does not bring it back')
})

test('verify names what is wrong, by position', async (t) => {
  const { path } = transferFolder(t)
  await record(path('h.db'), orders(100))
  await copyHistory(openReader(t, path('h.db')), { to: path('copy.db') })
  const database = await openSqlite(path('h.db'))
  database.exec('DELETE FROM events WHERE position BETWEEN 10 AND 12')
  database.exec(`UPDATE events SET body = '{"number":0}' WHERE position = 20`)
  database.exec(`UPDATE events SET properties = '{' WHERE position = 30`)
  database.exec(`UPDATE events SET body = 'none' WHERE position = 40`)
  database.close()
  const found = await verifyHistory(openReader(t, path('h.db')), { against: openReader(t, path('copy.db')) })
  assert.equal(found.clean, false)
  assert.deepEqual(
    found.removed.listed.map(({ from, to }) => [from, to]),
    [[10, 12]],
  )
  assert.deepEqual(
    found.unreadable.listed.map(({ position }) => position),
    [30],
  )
  assert.deepEqual(found.different.listed, [
    { position: 20, in: ['body'] },
    { position: 30, in: ['properties'] },
    { position: 40, in: ['body'] },
  ])
  assert.deepEqual(found.notes.notJson.listed, [{ position: 40 }])
  const back = await verifyHistory(openReader(t, path('copy.db')), { against: openReader(t, path('h.db')) })
  assert.deepEqual(back.different.listed[0], { position: 10, in: ['missing'] })
})
