import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { compilePattern } from '../../../events/index.ts'
import { listSource, ordersOf } from '../../replay.fixture.ts'
import { replay } from '../../replay.ts'
import { filesAction, filesIn, temporaryFolder, textsIn, writeFiles } from './files.fixture.ts'

const odd = {
  id: 'a"b',
  subject: 'x,y',
  note: 'two\r\nlines',
  empty: '',
  none: null,
  total: 12.5,
  list: [1, '"'],
}

test('JSON Lines hold each event on its line, as its source has it', async (t) => {
  const folder = temporaryFolder(t)
  await writeFiles(folder, 'out.jsonl', { events: ['{"id":1.10}', '{\n  "id": "2\u2028"\n}', odd] })
  assert.deepEqual(textsIn(folder), {
    'out.jsonl': `{"id":1.10}\n{   "id": "2\u2028" }\n${JSON.stringify(odd)}\n`,
  })
})

test('with columns a line of JSON is an object of them, numbers with every digit', async (t) => {
  const folder = temporaryFolder(t)
  const columns = { id: '$.id', note: '$.note', list: '$.list', 'a "b"': '$.none', n: '$.n' }
  const events = [odd, '{"id":12345678901234567890,"n":0.12345678901234567891}']
  await writeFiles(folder, 'out.jsonl', { events, options: { columns } })
  assert.deepEqual(textsIn(folder), {
    'out.jsonl':
      '{"id":"a\\"b","note":"two\\r\\nlines","list":[1,"\\""],"a \\"b\\"":null,"n":null}\n' +
      '{"id":12345678901234567890,"note":null,"list":null,"a \\"b\\"":null,"n":0.12345678901234567891}\n',
  })
})

test('CSV has a header and is quoted as RFC 4180 says; null is nothing, an empty text is quotes', async (t) => {
  const folder = temporaryFolder(t)
  const columns = {
    id: '$.id',
    'a,b': '$.subject',
    note: '$.note',
    empty: '$.empty',
    none: '$.none',
    total: '$.total',
    list: '$.list',
  }
  await writeFiles(folder, 'out.csv', { events: [odd, { id: ' x', total: true }], options: { columns } })
  assert.equal(
    textsIn(folder)['out.csv'],
    'id,"a,b",note,empty,none,total,list\r\n' +
      '"a""b","x,y","two\r\nlines","",,12.5,"[1,""""""""]"\r\n'.replace('""""""""', '""\\""""') +
      '" x",,,,,true,\r\n',
  )
})

test('without columns CSV has those of every event', async (t) => {
  const folder = temporaryFolder(t)
  const event = {
    specversion: '1.0',
    id: '1',
    source: '/s',
    type: 't',
    subject: 'k',
    time: '2026-01-02T03:04:05Z',
    data: { a: 1 },
  }
  await writeFiles(folder, 'out.csv', { events: [event] })
  assert.equal(
    textsIn(folder)['out.csv'],
    'id,source,type,subject,time,data\r\n1,/s,t,k,2026-01-02T03:04:05Z,"{""a"":1}"\r\n',
  )
})

test('files are split by events, by bytes, and by what is in an event; each CSV has its header', async (t) => {
  const folder = temporaryFolder(t)
  const events = ordersOf(7, { keys: 2 })
  const columns = { id: '$.id' }
  await writeFiles(folder, 'a/out.csv', { events, options: { columns, eventsMax: 3 } })
  await writeFiles(folder, 'b/out.jsonl', { events, options: { columns, bytesMax: 25 } })
  await writeFiles(folder, 'c/{$.subject}/n-{$.id}.jsonl.gz', {
    events: events.slice(0, 3),
    options: { columns },
  })
  const {
    'c/k0/n-1.jsonl.gz': _,
    'c/k1/n-2.jsonl.gz': __,
    'c/k0/n-3.jsonl.gz': ___,
    ...texts
  } = textsIn(folder)
  assert.deepEqual(texts, {
    'a/out-00001.csv': 'id\r\n1\r\n2\r\n3\r\n',
    'a/out-00002.csv': 'id\r\n4\r\n5\r\n6\r\n',
    'a/out-00003.csv': 'id\r\n7\r\n',
    'b/out-00001.jsonl': '{"id":"1"}\n{"id":"2"}\n',
    'b/out-00002.jsonl': '{"id":"3"}\n{"id":"4"}\n',
    'b/out-00003.jsonl': '{"id":"5"}\n{"id":"6"}\n',
    'b/out-00004.jsonl': '{"id":"7"}\n',
  })
  assert.equal(gunzipSync(readFileSync(join(folder, 'c/k0/n-3.jsonl.gz'))).toString(), '{"id":"3"}\n')
})

test('a dry run writes nothing and tells each file and line', async (t) => {
  const folder = temporaryFolder(t)
  const report = await writeFiles(folder, 'out/{$.subject}.csv', {
    events: ordersOf(2, { keys: 2 }),
    options: { columns: { id: '$.id' } },
    dryRun: true,
  })
  assert.deepEqual(readdirSync(folder), [])
  assert.deepEqual(
    report.rules[0]!.samples.map(({ write }) => write),
    ['k0', 'k1'].map((key, at) => ({
      kind: 'text',
      to: join(folder, 'out', `${key}.csv`),
      text: String(at + 1),
    })),
  )
})

test('nothing is written over: neither the file of a plain path, nor one of a template', async (t) => {
  const folder = temporaryFolder(t)
  const events = ordersOf(4, { keys: 2 })
  writeFileSync(join(folder, 'k0.jsonl'), 'mine\n')
  await assert.rejects(writeFiles(folder, 'k0.jsonl', { events }), {
    code: 'REPLAY_ACTION_INVALID',
    message: /overwrite/,
  })
  const report = await writeFiles(folder, '{$.subject}.jsonl', { events })
  assert.deepEqual([report.rules[0]!.acted, report.failed, report.causes[0]!.code], [2, 2, 'EEXIST'])
  assert.equal(textsIn(folder)['k0.jsonl'], 'mine\n')
  await writeFiles(folder, '{$.subject}.jsonl', { events, options: { overwrite: true } })
  assert.equal(textsIn(folder)['k0.jsonl'], `${JSON.stringify(events[0])}\n${JSON.stringify(events[2])}\n`)
})

test('a link that leads out of the folder is not followed', async (t) => {
  const folder = temporaryFolder(t)
  const [inside, outside] = [join(folder, 'inside'), join(folder, 'outside')]
  for (const one of [inside, outside]) mkdirSync(one)
  symlinkSync(outside, join(inside, 'k0'))
  const report = await writeFiles(inside, '{$.subject}/{$.id}.jsonl', { events: ordersOf(2, { keys: 2 }) })
  assert.deepEqual([report.rules[0]!.acted, report.causes[0]!.code], [1, 'ELINKSOUT'])
  assert.deepEqual(readdirSync(outside), [])
})

test('two rules do not write one file, with overwrite neither', async (t) => {
  const folder = temporaryFolder(t)
  const options = { overwrite: true }
  const rules = ['a', 'b'].map((name) => ({ name, action: filesAction(folder, 'out.jsonl', options) }))
  const report = await replay({ run: 'r1', source: listSource(ordersOf(10, { keys: 10 })), rules })
  assert.deepEqual(
    report.rules.map(({ acted, failed }) => [acted, failed]),
    [
      [10, 0],
      [0, 10],
    ],
  )
  assert.equal(textsIn(folder)['out.jsonl']!.split('\n').length, 11)
})

for (const types of [
  ['a.journal', 'a'],
  ['a', 'a.journal'],
  ['a.packing', 'a'],
  ['a', 'a.packing'],
] as const) {
  const events = types.map((type, n) => ({ id: String(n), type }))

  test(`a file that would be the journal of another is refused: ${types.join(', then ')}`, async (t) => {
    const folder = temporaryFolder(t)
    const options = { format: 'parquet' }
    const { failed, causes } = await writeFiles(folder, 'out/{$.type}', { events, options })
    assert.deepEqual([failed, causes[0]?.code], [1, 'EEXIST'])
    const files = filesIn(folder)
    assert.deepEqual(Object.keys(files), [`out/${types[0]}`])
    assert.equal(files[`out/${types[0]}`]!.toString('latin1', 0, 4), 'PAR1')
  })

  test(`lines have no journal, so that both are written: ${types.join(', then ')}`, async (t) => {
    const folder = temporaryFolder(t)
    const options = { format: 'jsonl' }
    await writeFiles(folder, 'out/{$.type}', { events, options })
    const lines = events.map((event) => [`out/${event.type}`, `${JSON.stringify(event)}\n`])
    assert.deepEqual(textsIn(folder), Object.fromEntries(lines))
  })
}

test('thousands of files are written with few open, and no more are made than are allowed', async (t) => {
  const folder = temporaryFolder(t)
  const events = [...ordersOf(3_000, { keys: 1_000 })]
  let openMost = 0
  const action = filesAction(folder, 'out/{$.subject}.jsonl', { filesMax: 900 })
  const { act } = action
  action.act = async (...given) => {
    const outcomes = await act.apply(action, given)
    if (process.platform === 'linux') openMost = Math.max(openMost, readdirSync('/proc/self/fd').length)
    return outcomes
  }
  const report = await replay({ run: 'r1', source: listSource(events), rules: [{ name: 'r', action }] })
  assert.equal(readdirSync(join(folder, 'out')).length, 900)
  assert.deepEqual(
    [report.rules[0]!.acted, report.causes.find(({ kind }) => kind === 'refused')?.code],
    [2_700, 'FILES_MAX'],
  )
  assert.ok(openMost < 130, `${openMost} open files`)
})

test('a disk that is full is waited for, and what it took of a batch is not there twice', async (t) => {
  const disk = mkdtempSync(join(tmpdir(), 'backstory-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'backstory-files', disk], { stdio: 'ignore' })
  } catch {
    t.skip('this user may not mount a small disk')
    return
  }
  t.after(() => {
    execFileSync('umount', ['--lazy', disk])
    rmdirSync(disk)
  })
  const filler = join(disk, 'filler')
  writeFileSync(filler, Buffer.alloc(1_020_000))
  const events = Array.from({ length: 4_000 }, (_, at) => ({
    id: String(at),
    subject: `k${at % 3}`,
    pad: 'x'.repeat(60),
  }))
  let failures = 0
  const action = filesAction(disk, '{$.subject}.jsonl')
  const { act } = action
  action.act = async (...given) => {
    try {
      return await act.apply(action, given)
    } catch (error) {
      failures += 1
      writeFileSync(filler, '')
      throw error
    }
  }
  const report = await replay({ run: 'r1', source: listSource(events), rules: [{ name: 'r', action }] })
  assert.ok(failures > 0)
  assert.deepEqual([report.failed, report.rules[0]!.acted], [0, 4_000])
  for (const key of ['k0', 'k1', 'k2']) {
    const expected = events
      .filter(({ subject }) => subject === key)
      .map((event) => `${JSON.stringify(event)}\n`)
    assert.equal(textsIn(disk)[`${key}.jsonl`], expected.join(''))
  }
})

test('what is picked is in the files, and what its columns refuse is told', async (t) => {
  const folder = temporaryFolder(t)
  const rules = [
    {
      name: 'r',
      pattern: compilePattern({ subject: ['k1'] }),
      action: filesAction(folder, '{$.data.model}.csv', { columns: { id: '$.id' } }),
    },
  ]
  const report = await replay({ run: 'r1', source: listSource(ordersOf(4, { keys: 2 })), rules })
  assert.equal(report.causes[0]!.code, 'REPLAY_EVENT_REFUSED')
  assert.match(report.causes[0]!.message, /\$\.data\.model, which names its file, leads to nothing/)
})

test('addresses and options that cannot be are refused', () => {
  for (const [template, options, message] of [
    ['out', {}, /says no format/],
    ['out/', { format: 'csv' }, /names a folder/],
    ['{$.a}/../x.csv', {}, /has a part that is \.\./],
    ['{$.a/x.csv', {}, /expected }/],
    ['x.parquet.gz', {}, /cannot end in \.gz/],
    ['x.csv', { bytesMax: 0 }, /bytesMax/],
    ['x.csv', { colums: {} }, /has no option `colums`/],
  ] as const) {
    assert.throws(() => filesAction('/tmp', template, options), { name: 'TypeError', message }, template)
  }
})
