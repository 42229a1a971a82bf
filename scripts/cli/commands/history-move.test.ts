import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { exportHistory, importHistory, openHistory, verifyHistory } from '../../../history/index.ts'
import {
  hostile,
  openReader,
  orders,
  record,
  transferFolder,
} from '../../../history/transfer/transfer.fixture.ts'
import { runCli, startCli } from '../run-cli.fixture.ts'
import { bytesIn, contentsOf, killAtBytes, startBackstory } from './killed-move.fixture.ts'

async function move(t: TestContext, events: number) {
  const { folder, path } = transferFolder(t)
  await record(path('h.db'), [...hostile, ...orders(events - hostile.length)])
  const run = (line: string, stdin = '') =>
    runCli(line.split(' '), { cwd: folder, env: { BACKSTORY_HISTORY: 'h.db' }, stdin })
  return { folder, path, run }
}

test('export, import, verify: each tells what it did', async (t) => {
  const { run } = await move(t, 100)
  const exported = JSON.parse((await run('history export out --json --part-events 40')).stdout) as object
  const { checksum, bytes, ...figures } = exported as { checksum: string; bytes: number }
  assert.deepEqual(figures, { exchange: 'orders', after: 0, upTo: 100, events: 100, parts: 3, filter: null })
  const imported = await run('history import out --history new.db --json')
  assert.deepEqual(JSON.parse(imported.stdout), {
    exchange: 'orders',
    head: 100,
    imported: 100,
    present: 0,
    conflicts: 0,
  })
  assert.match((await run('history import out --history new.db')).stdout, /^there already +100$/m)
  const verified = await run('history verify --history new.db --against h.db --full --json')
  const verification = JSON.parse(verified.stdout) as { checksum: string; clean: boolean; file: unknown }
  assert.deepEqual([verification.clean, verification.checksum], [true, checksum])
  assert.match(verified.stderr, /4 events say they are JSON and are not/)
  assert.equal((await run('history copy copy.db --json')).code, 0)
  const different = await run('history verify --history copy.db --against other.db')
  assert.equal(different.code, 4)
})

test('what goes to standard output comes back through standard input', async (t) => {
  const { run, path, folder } = await move(t, 300)
  const { bytes, code } = await run('history export - --after 100 --gzip')
  assert.equal(code, 0)
  writeFileSync(path('some.jsonl.gz'), bytes)
  const refused = await run('history import some.jsonl.gz --history new.db --exchange orders')
  assert.equal(refused.code, 4)
  assert.match(refused.stderr, /^HISTORY_CONFLICT: Position 101 /)
  const { stdout } = await run('history export -')
  const cli = startCli('history import - --history new.db --exchange orders --json'.split(' '), {
    cwd: folder,
    stdin: stdout,
  })
  assert.equal((JSON.parse((await cli.done).stdout) as { imported: number }).imported, 300)
  const paid = (await run('history export - --type order.paid')).stdout
  const appended = await run('history import - --append --history paid.db --exchange orders --json', paid)
  assert.equal((JSON.parse(appended.stdout) as { head: number }).head, 97)
})

test('verify ends with 1 where a history is not what it was', async (t) => {
  const { run, path } = await move(t, 300)
  await run('history copy copy.db')
  const file = readFileSync(path('h.db'))
  const at = file.indexOf('{"number":77}')
  file.write('{"number":78}', at)
  writeFileSync(path('h.db'), file)
  const { code, stdout } = await run('history verify --against copy.db')
  assert.equal(code, 1)
  assert.match(stdout, /^different +85 +body$/m)
})

test('an export that was killed goes on, and leaves what one leaves that was not', async (t) => {
  const { folder, path } = await move(t, 3_000)
  await using reader = openHistory({ history: path('h.db') })
  const options = { partEvents: 150, gzip: true, upTo: 3_000 }
  await exportHistory(reader, { ...options, to: path('whole') })
  const line = 'history export out --gzip --part-events 150 --up-to 3000 --history h.db'
  const child = startBackstory(t, line.split(' '), folder)
  const bytes = Math.floor(Math.random() * bytesIn(path('whole')))
  const isKilled = await killAtBytes(child, { folder: path('out'), bytes })
  t.diagnostic(`${isKilled ? 'killed' : 'ended'}, at ${bytes} bytes`)
  await exportHistory(reader, { ...options, to: path('out') })
  const [found, wanted] = [contentsOf(path('out')), contentsOf(path('whole'))]
  for (const contents of [found, wanted]) assert.ok(contents.delete('manifest.json'))
  assert.deepEqual(found, wanted)
})

test('an import that was killed goes on, and leaves what one leaves that was not', async (t) => {
  const { folder, path } = await move(t, 8_000)
  const reader = openReader(t, path('h.db'))
  await exportHistory(reader, { to: path('out') })
  const child = startBackstory(t, 'history import out --history new/h.db'.split(' '), folder)
  const bytes = Math.floor(Math.random() * bytesIn(path('out')))
  const isKilled = await killAtBytes(child, { folder: path('new'), bytes })
  const { present } = await importHistory({ from: path('out'), history: path('new/h.db') })
  t.diagnostic(`${isKilled ? 'killed' : 'ended'} at ${bytes} bytes, with ${present} events`)
  const { clean } = await verifyHistory(openReader(t, path('new/h.db')), { against: reader })
  assert.ok(clean)
  assert.deepEqual(await openReader(t, path('new/h.db')).summary(), await reader.summary())
})
