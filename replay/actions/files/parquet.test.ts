import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { temporaryFolder, writeFiles } from './files.fixture.ts'

test('each type of a mapping has its column of Parquet; what does not fit is refused', async (t) => {
  const folder = temporaryFolder(t)
  const types = [
    'text',
    'integer',
    'number',
    'decimal',
    'boolean',
    'timestamp',
    'date',
    'json',
    'bytes',
  ] as const
  const columns = {
    ...Object.fromEntries(types.map((type) => [type, { path: `$.${type}`, type }])),
    any: '$.any',
  }
  const event = {
    text: 'Größe',
    number: 1.5,
    decimal: '12.340',
    boolean: false,
    timestamp: '2026-01-02T03:04:05.678901234+01:00',
    date: '1969-12-31',
    json: { a: [1] },
    bytes: 'AAEC',
    any: { b: 1 },
  }
  const texts = ['9223372036854775807', '9223372036854775808'].map((integer) =>
    JSON.stringify({ integer: 0, ...event }).replace('"integer":0', `"integer":${integer}`),
  )
  const report = await writeFiles(folder, 'out.parquet', {
    events: [...texts, { any: 'plain' }],
    options: { columns },
  })
  assert.deepEqual(
    [report.rules[0]!.acted, report.causes[0]!.message],
    [2, '"integer" has more digits than an integer of Parquet'],
  )
  const file = new Uint8Array(readFileSync(join(folder, 'out.parquet'))).buffer
  const [first, second] = await parquetReadObjects({ file, utf8: false })
  assert.deepEqual(
    { ...first, bytes: [...(first!.bytes as Uint8Array)] },
    {
      text: 'Größe',
      integer: 9223372036854775807n,
      number: 1.5,
      decimal: '12.340',
      boolean: false,
      timestamp: new Date('2026-01-02T02:04:05.678Z'),
      date: new Date('1969-12-31T00:00:00Z'),
      json: '{"a":[1]}',
      bytes: [0, 1, 2],
      any: '{"b":1}',
    },
  )
  assert.deepEqual(
    [second!.any, second!.integer, second!.timestamp, second!.bytes],
    ['plain', null, null, null],
  )
})

test('rows are grouped by fifty thousand', async (t) => {
  const folder = temporaryFolder(t)
  const events = Array.from({ length: 50_001 }, (_, at) => `{"id":"${at}"}`)
  await writeFiles(folder, 'out.parquet', { events, options: { columns: { id: '$.id' } } })
  const { row_groups: groups } = parquetMetadata(
    new Uint8Array(readFileSync(join(folder, 'out.parquet'))).buffer,
  )
  assert.deepEqual(
    groups.map(({ num_rows: rows }) => rows),
    [50_000n, 1n],
  )
})
