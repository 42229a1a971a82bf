import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { parseMapping } from '../../mapping/mapping.ts'
import { findPlugin } from '../../plugins.ts'
import type { ReplayEvent } from '../../replay-event.ts'
import { failureLine } from '../../run/failure-line.ts'
import { folderWith, idsOf, lines, numbered, pagesOf, readAll, reasonOf } from './json.fixture.ts'
import { source as plugin } from './json.ts'

test('what no other source takes is a file', async () => {
  const load = async () => ({})
  for (const address of ['orders.jsonl', 'logs/*.json.gz', '-', 'json', 'C:\\orders.json']) {
    assert.equal(await findPlugin('source', address, { load }), plugin)
  }
})

test('events of EventBridge, of CloudEvents and plain ones have their attributes', async (t) => {
  const { source } = folderWith(t, {
    'orders.jsonl': lines(
      {
        version: '0',
        id: 'e1',
        'detail-type': 'order.placed',
        source: 'shop',
        resources: ['o1'],
        time: 'T',
        detail: {},
      },
      {
        specversion: '1.0',
        id: 'e2',
        type: 'order.paid',
        source: '/shop',
        subject: 'o1',
        time: 'T',
        data: {},
      },
      { id: 3, total: 17 },
    ),
  })
  const events = await readAll(source('orders.jsonl'))
  assert.deepEqual(
    events.map(({ attributes: { id, type, subject } }) => [id, type, subject]),
    [
      ['e1', 'order.placed', 'o1'],
      ['e2', 'order.paid', 'o1'],
      ['3', undefined, undefined],
    ],
  )
  assert.deepEqual(
    events.map(({ position, place }) => [position, place]),
    [1, 2, 3].map((number) => [number, `orders.jsonl, event ${number}`]),
  )
})

test('a JSON body in base64 is data on every line of a file, with every digit', async (t) => {
  const body = Buffer.from('{\n  "b": 12345678901234567890,\n  "1": 2.50\n}').toString('base64')
  const type = 'application/json'
  const event = { specversion: '1.0', id: 'e', datacontenttype: type, data_base64: body, after: 1 }
  const { source } = folderWith(t, { 'orders.jsonl': lines(event, event, event) })
  const events = await readAll(source('orders.jsonl'))
  assert.equal(events.length, 3)
  const mapping = parseMapping({ n: '$.data.b', in: 'n {$.data.b}', data: '$.data' })
  for (const one of events) {
    assert.deepEqual((one.json as { data?: unknown }).data, { b: Number('12345678901234567890'), 1: 2.5 })
    const [n, text, data] = mapping.valuesOf(one)
    assert.deepEqual(n, { type: 'integer', value: 12345678901234567890n })
    assert.deepEqual(text, { type: 'text', value: 'n 12345678901234567890' })
    assert.equal(data?.type === 'json' && data.text, '{   "b": 12345678901234567890,   "1": 2.50 }')
    assert.match(one.text, /"data_base64":/)
  }
})

test('several files are read as they are given, a glob by names in which numbers count, each once', async (t) => {
  const { source } = folderWith(t, {
    'logs/orders-10.jsonl': lines({ id: '10' }),
    'logs/orders-9.json': '[{"id":"9"}]',
    'logs/orders-2.jsonl.gz': gzipSync(lines({ id: '2a' }, { id: '2b' })),
    'logs/deep/orders-1.jsonl': lines({ id: '1' }),
    'first.jsonl': lines({ id: 'first' }),
    'brackets[1].jsonl': lines({ id: 'brackets' }),
  })
  const of = async (address: string, options = {}) => idsOf(await readAll(source(address, options)))
  assert.deepEqual(await of('logs/*'), ['2a', '2b', '9', '10'])
  assert.deepEqual(await of('logs/**/*.jsonl'), ['1', '10'])
  assert.deepEqual(await of('first.jsonl', { files: 'logs/*' }), ['first', '2a', '2b', '9', '10'])
  assert.deepEqual(await of('logs/orders-9.json', { files: ['logs/*', 'first.jsonl'] }), [
    '9',
    '2a',
    '2b',
    '10',
    'first',
  ])
  assert.deepEqual(await of('json', { files: ['first.jsonl', './first.jsonl'] }), ['first'])
  assert.deepEqual(await of('brackets[1].jsonl'), ['brackets'])
  const events = await readAll(source('logs/*'))
  assert.deepEqual(
    events.map(({ position, place }) => `${position} ${place}`),
    [
      '1 logs/orders-2.jsonl.gz, event 1',
      '2 logs/orders-2.jsonl.gz, event 2',
      '3 logs/orders-9.json, event 1',
      '4 logs/orders-10.jsonl, event 1',
    ],
  )
})

test('what is not there, or is something else, is refused by its name', async (t) => {
  const { source } = folderWith(t, {
    'a/orders.jsonl': '',
    'orders.zst': Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0]),
    'windows.json': Buffer.from('\ufeff[{}]', 'utf16le'),
  })
  const refused = async (address: string, code: string, message: RegExp) =>
    await assert.rejects(readAll(source(address)), { code, message })
  await refused('none.jsonl', 'REPLAY_SOURCE_UNAVAILABLE', /There is no file .*none\.jsonl$/)
  await refused('dynamdb:orders', 'REPLAY_SOURCE_UNAVAILABLE', /no source is called so either/)
  await refused('a/*.json', 'REPLAY_SOURCE_UNAVAILABLE', /No file is found by a\/\*\.json in /)
  await refused('a', 'REPLAY_SOURCE_INVALID', /a is a folder/)
  await refused('orders.zst', 'REPLAY_SOURCE_INVALID', /orders\.zst is zstd/)
  await refused('windows.json', 'REPLAY_SOURCE_INVALID', /windows\.json is UTF-16/)
  await assert.rejects(async () => await source('a/*.jsonl', { files: 'orders.zst' }).open(), {
    code: 'REPLAY_SOURCE_INVALID',
  })
  for (const options of [{ eventBytesMax: 0 }, { eventBytesMax: '1e9' }, { files: 3 }, { other: 1 }]) {
    assert.throws(() => source('orders.jsonl', options), TypeError)
  }
})

test('the size of the files is told before, and how much has been read with each page', async (t) => {
  const text = lines(...numbered(20_000))
  const { source } = folderWith(t, { 'a.jsonl': text, 'b.jsonl.gz': gzipSync(text) })
  const read = source('*')
  const { bytes } = await read.open()
  const seen: number[] = []
  for await (const page of pagesOf(read)) seen.push(page.bytes)
  assert.equal(seen.at(-1), bytes)
  assert.equal(bytes, text.length + gzipSync(text).length)
  assert.ok(seen.length > 4 && seen.every((one, at) => at === 0 || one >= seen[at - 1]!))
  await read.close()
})

test('bytes of gzip are those that were looked at, however much they hold', async (t) => {
  const text = lines(
    ...numbered(100_000).map((one) => ({ ...one, type: 'order.placed', subject: `k${one.id}` })),
  )
  const { source } = folderWith(t, { 'a.jsonl.gz': gzipSync(text) })
  const from = source('a.jsonl.gz')
  const { bytes: size } = await from.open()
  let events = 0
  for await (const page of pagesOf(from)) {
    events += page.events.length
    const share = { events: events / 100_000, bytes: page.bytes / size! }
    assert.ok(Math.abs(share.events - share.bytes) < 0.1, JSON.stringify(share))
  }
  assert.equal(events, 100_000)
  await from.close()
})

test('gzip is read by what is in it, of several members too, whatever its name', async (t) => {
  const members = [lines(...numbered(300)), '\n{"id":"x"', '}\n', lines(...numbered(2))].map((text) =>
    gzipSync(text),
  )
  const { source } = folderWith(t, { 'orders.jsonl': Buffer.concat(members) })
  const found = idsOf(await readAll(source('orders.jsonl')))
  assert.deepEqual(found, [...numbered(300).map(({ id }) => id), 'x', '1', '2'])
})

test('a gzip file that is damaged gives what comes before, says so, and the next file is read', async (t) => {
  const whole = gzipSync(lines(...numbered(5_000)))
  const bad = Buffer.from(whole)
  bad.fill(0, whole.length >> 1, (whole.length >> 1) + 50)
  const { source } = folderWith(t, {
    '1-short.gz': whole.subarray(0, whole.length - 100),
    '2-bad.gz': bad,
    '3-more.gz': Buffer.concat([whole, Buffer.alloc(9), Buffer.from('something else')]),
    '4-filled-up.gz': Buffer.concat([whole, Buffer.alloc(512)]),
    '5-good.jsonl': lines({ id: 'last' }),
  })
  const events = await readAll(source('*'))
  const unreadable = events.flatMap((event) => reasonOf(event) ?? [])
  for (const name of ['1-short', '2-bad', '3-more']) {
    assert.ok(
      unreadable.some((why) => why.startsWith(name) && /gzip file is damaged/.test(why)),
      name,
    )
  }
  const read = events.filter((event) => reasonOf(event) === undefined)
  assert.ok(read.filter(({ place }) => place.startsWith('1-short')).length > 4_000)
  assert.equal(read.filter(({ place }) => place.startsWith('3-more')).length, 5_000)
  assert.equal(events.filter(({ place }) => place.startsWith('4-filled-up')).length, 5_000)
  assert.equal(read.at(-1)!.attributes.id, 'last')
})

test('standard input is read as it comes, gzip or not, and an empty page tells that nothing does', async (t) => {
  for (const pack of [(text: string) => Buffer.from(text), (text: string) => gzipSync(text)]) {
    const stdin = new PassThrough()
    const { source } = folderWith(t, {}, { stdin })
    const read = source('-')
    await read.open()
    const pages = pagesOf(read)
    const first = pages.next()
    for (const byte of pack('{"id":"1"}\n')) stdin.write(Buffer.from([byte]))
    let page = await first
    while (page.value!.events.length === 0) page = await pages.next()
    assert.deepEqual(
      page.value!.events.map((event: ReplayEvent) => [event.place, event.attributes.id]),
      [['standard input, event 1', '1']],
    )
    assert.deepEqual((await pages.next()).value!.events, [])
    stdin.end(pack('{"id":"2"}'))
    const rest: ReplayEvent[] = []
    for await (const { events } of pages) rest.push(...events)
    assert.deepEqual(idsOf(rest), ['2'])
  }
})

test('a wait for standard input ends when the run is told to end', { timeout: 10_000 }, async (t) => {
  const stdin = new PassThrough()
  const { source } = folderWith(t, {}, { stdin })
  const stop = new AbortController()
  const read = source('-')
  await read.open()
  const pages = read.read({ after: undefined, signal: stop.signal })[Symbol.asyncIterator]()
  const waiting = pages.next()
  stop.abort()
  assert.equal((await waiting).done, true)
})

test('what cannot be read is an event of its own that says why, and the others are read', async (t) => {
  const { source } = folderWith(t, {
    'orders.jsonl': Buffer.concat([
      Buffer.from('{"id":"1"}\nERROR\n{"id":"2"\n{"id":"3"}\n{"id":"'),
      Buffer.from([0xff]),
      Buffer.from(
        '"}\n{"id":"4","x":01}\n{"id":"long","text":"0123456789012345678901234567890"}\n{"id":"5"}\n{"id',
      ),
    ]),
  })
  const events = await readAll(source('orders.jsonl', { eventBytesMax: 40 }))
  assert.deepEqual(
    events.map((event) => reasonOf(event)?.replace(/ JSON: .*/, ' JSON') ?? event.attributes.id),
    [
      '1',
      'orders.jsonl, event 2 on line 2, which ends at byte 16, cannot be read: it is no JSON',
      'orders.jsonl, event 3 on line 3, which ends at byte 26, cannot be read: a line begins with { where none can be',
      '3',
      'orders.jsonl, event 5 on line 5, which ends at byte 48, cannot be read: it is no UTF-8',
      'orders.jsonl, event 6 on line 6 is no JSON',
      'orders.jsonl, event 7 on line 7, which ends at byte 121, cannot be read: it has more than 40 bytes',
      '5',
      'orders.jsonl, event 9 on line 9, which ends at byte 137, cannot be read: the file ends within it',
    ],
  )
  assert.throws(() => events[1]!.attributes, { code: 'REPLAY_EVENT_UNREADABLE' })
})

test('an event of 64 MiB is read, and one of a byte more is told', async (t) => {
  const mib = 1024 * 1024
  const pad = (length: number, id: string) => `{"id":"${id}","x":"${'x'.repeat(length - 17 - id.length)}"}\n`
  const { source } = folderWith(t, {
    'big.jsonl': pad(64 * mib + 1, 'a') + pad(64 * mib + 2, 'b') + lines({ id: 'c' }),
  })
  const events = await readAll(source('big.jsonl'))
  assert.deepEqual(
    events.map((event) => reasonOf(event)?.slice(-29) ?? event.attributes.id),
    ['a', 'it has more than 67108864 bytes'.slice(-29), 'c'],
  )
  assert.equal(events[1]!.text.length, 64 * 1024 + 1)
})

test('lines of a failures file are the events in them, for the rules that failed, in the place they had', async (t) => {
  const cause = { kind: 'refused', code: 'X', message: 'no', attempts: 1 } as const
  const failed = { position: 41, place: 'orders.jsonl, event 41' }
  const { source } = folderWith(t, {
    'failures-1.jsonl': [
      failureLine({ ...failed, text: '{"id":"1","n":1.00}', causes: [{ ...cause, rule: 'a' }] }),
      failureLine({
        ...failed,
        text: '{\n"id":"2"}',
        causes: [
          { ...cause, rule: 'a' },
          { ...cause, rule: 'b' },
        ],
      }),
      failureLine({ ...failed, text: 'no JSON', causes: [{ ...cause, rule: undefined }] }),
      '{"backstoryfailure":5}\n',
      '{"backstoryfailure":{"position":1,"place":"p","causes":[null]},"event":{"id":"4"}}\n',
    ].join(''),
  })
  const events = await readAll(source('failures-1.jsonl'))
  assert.deepEqual(
    events.map(({ text, position, place, causes }) => [text, position, place, causes]),
    [
      ['{"id":"1","n":1.00}', 41, 'orders.jsonl, event 41', [{ ...cause, rule: 'a' }]],
      [
        '{\n"id":"2"}',
        41,
        'orders.jsonl, event 41',
        [
          { ...cause, rule: 'a' },
          { ...cause, rule: 'b' },
        ],
      ],
      ['no JSON', 41, 'orders.jsonl, event 41', [{ ...cause, rule: undefined }]],
      ['{"backstoryfailure":5}', 4, 'failures-1.jsonl, event 4', undefined],
      ['{"id":"4"}', 1, 'p', [{ rule: undefined, kind: 'refused', code: '', message: '', attempts: 1 }]],
    ],
  )
  assert.deepEqual(events[0]!.json, { id: '1', n: 1 })
  for (const [index, { token }] of events.entries()) {
    assert.equal((await readAll(source('failures-1.jsonl'), token)).length, events.length - index - 1)
  }
})

test('a failures line that another writer of JSON has written again is the same event, every digit of it', async (t) => {
  const cause = { rule: 'a', kind: 'refused', code: 'X', message: ',"event":', attempts: 1 }
  const failed = { position: 41, place: 'p', causes: [cause] }
  const event = '{"id": "1", "n": 12345678901234567890.10}'
  const failure = JSON.stringify(failed)
  const { source } = folderWith(t, {
    'failures.jsonl': [
      `{"backstoryfailure": ${failure}, "event": ${event}}`,
      `{ "backstoryfailure" :${failure},"event":${event} }`,
      `{"backstoryfailure":${failure},"event":${event},"note":{}}`,
      `{\n  "backstoryfailure": ${failure},\n  "event": ${event}\n}`,
      `{"backstoryfailure":${failure},"event":${event}}`,
    ].join('\n'),
  })
  const events = await readAll(source('failures.jsonl'))
  assert.deepEqual(
    events.map(({ text, position, causes }) => [text, position, causes]),
    events.map(() => [event, 41, [cause]]),
  )
  assert.equal(events.length, 5)
  for (const [index, { token }] of events.entries()) {
    assert.equal((await readAll(source('failures.jsonl'), token)).length, events.length - index - 1)
  }
})

test('a failed event is read back however long its line is, and a line that breaks off is told as a whole', async (t) => {
  const cause = { rule: 'a', kind: 'refused', code: 'X', message: 'm', attempts: 1 } as const
  const failed = { position: 41, place: 'p', causes: [cause] }
  const long = 'x'.repeat(700_000)
  const texts = [
    JSON.stringify({ id: '1' }),
    `{\n"id":"${'"'.repeat(20).replaceAll('"', '\\"')}"}`,
    JSON.stringify({ id: long }),
  ]
  const written = texts.map((text) => failureLine({ ...failed, text }))
  const broken = failureLine({ ...failed, text: JSON.stringify({ id: long }) }).slice(0, -5)
  const { source } = folderWith(t, {
    'failures.jsonl': [...written, `${broken}\n`, ...written].join(''),
    'events.jsonl': lines({ id: long }, { id: '2' }),
  })
  const events = await readAll(source('failures.jsonl', { eventBytesMax: 60 }))
  assert.deepEqual(
    events.map(({ text }) => text),
    [...texts, broken, ...texts],
  )
  assert.match(reasonOf(events[3]!)!, /a line ends within a string/)
  const [tooLong, short] = await readAll(source('events.jsonl', { eventBytesMax: 60 }))
  assert.match(reasonOf(tooLong!)!, /it has more than 60 bytes/)
  assert.ok(tooLong!.text.length < 70_000)
  assert.equal(short!.text, '{"id":"2"}')
})

test('no page is of more than some thousand events, and a reader that stops leaves the file', async (t) => {
  const { source } = folderWith(t, { 'tiny.json': `[${'1,'.repeat(50_000)}1]` })
  let read = 0
  for await (const { events } of pagesOf(source('tiny.json'))) {
    assert.ok(events.length <= 5_000)
    read += events.length
    if (read > 20_000) break
  }
  assert.ok(read < 30_000)
})

test('a pipe with a name is read like a file', { skip: process.platform === 'win32' }, async (t) => {
  const { source, folder } = folderWith(t, {})
  const made = spawn('mkfifo', [join(folder, 'pipe')])
  await once(made, 'exit')
  const writer = spawn('sh', [
    '-c',
    `(printf '{"id":"1"}\\n{"id":"2"}\\n'; read line) > ${join(folder, 'pipe')}`,
  ])
  const read = source('pipe')
  assert.deepEqual(await read.open(), {})
  const stop = new AbortController()
  const events: ReplayEvent[] = []
  for await (const page of read.read({ after: undefined, signal: stop.signal })) {
    events.push(...page.events)
    // It is not at its end, and nothing comes any more: a run can be ended all the same.
    if (events.length === 2) stop.abort()
  }
  assert.deepEqual(idsOf(events), ['1', '2'])
  writer.stdin.end()
  if (writer.exitCode === null) await once(writer, 'exit')
})
