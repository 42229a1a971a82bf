import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { inOrder, sequencedHistory } from '../../../history/audit/sequenced-history.fixture.ts'
import { runCli, tempFolder } from '../run-cli.fixture.ts'

test('a clean history: exit code 0, and what was not judged is said', async (t) => {
  const history = sequencedHistory(t)
  await history.record([...inOrder(1_200), { source: '/legacy' }], { batch: 100 })
  const cwd = dirname(history.path)
  const { code, stdout, stderr } = await runCli('audit orders --history history.db'.split(' '), { cwd })
  assert.equal(code, 0)
  assert.match(stdout, /^positions +1 to 1,201$/m)
  assert.match(stdout, /^judged +1,200 events of 1 epoch$/m)
  assert.match(stdout, /^not judged +1 events without a sequence: \/legacy 1$/m)
  assert.match(stdout, /^clean +yes$/m)
  assert.match(stderr, /^Not judged for holes: 1 of 1,201 events, [^\n]+\nThe history of orders is clean\n$/)
})

test('each finding is a row, and the exit code is 1', async (t) => {
  const history = sequencedHistory(t)
  const sequences = [1, 2, 3, 4, 5, 8, 9, 9, 12, 11]
  await history.record(
    sequences.map((sequence, index) => ({ sequence, id: `e${index + 1}` })),
    { batch: 2 },
  )
  await history.tamper((database) =>
    database.exec("DELETE FROM events WHERE position = 4; UPDATE events SET id = 'x' WHERE position = 2"),
  )
  const cwd = dirname(history.path)
  const { code, stdout, stderr } = await runCli('audit --history history.db'.split(' '), { cwd })
  assert.equal(code, 1)
  const rows = stdout.slice(stdout.indexOf('finding')).trimEnd().split('\n').slice(1)
  assert.deepEqual(
    rows.map((row) => row.split(/ {2,}/)),
    [
      ['removed', '4', '/sales', '0a', '4', 'recorded, and no longer there'],
      ['changed', '1 to 2', '-', '-', '-', rows[1]!.split(/ {2,}/)[5]],
      ['hole', 'between 5 and 6', '/sales', '0a', '6 to 7', 'published, or tried to, and never recorded'],
      ['hole', 'between 7 and 9', '/sales', '0a', '10', 'published, or tried to, and never recorded'],
      ['late', '10', '/sales', '0a', '11', 'came after 12 at 9'],
      ['repeated', '8', '/sales', '0a', '9', 'id e8; at 7 it was id e7'],
    ],
  )
  assert.equal(stderr, 'The history of orders has 6 findings\n')
  const json = await runCli('audit --history history.db --json'.split(' '), { cwd })
  assert.equal(json.code, 1)
  const audit = JSON.parse(json.stdout)
  assert.equal(audit.clean, false)
  assert.deepEqual(audit.removed, {
    count: 1,
    listed: [{ from: 4, to: 4, sequences: [{ source: '/sales', epoch: '0a', from: 4, to: 4 }] }],
  })
})

test('on a terminal too, standard output has the data alone', async (t) => {
  const history = sequencedHistory(t)
  await history.record(inOrder(20_000), { batch: 1_000 })
  const cwd = dirname(history.path)
  const ran = await runCli('audit --history history.db --json'.split(' '), { cwd, terminal: true })
  assert.equal(JSON.parse(ran.stdout).clean, true)
  assert.match(ran.stdout, /^[^\n]+\n$/)
  assert.match(ran.stderr, /The history of orders is clean\n/)
})

test('the history of another exchange is refused, and a missing one told', async (t) => {
  const history = sequencedHistory(t)
  await history.record(inOrder(3))
  const cwd = dirname(history.path)
  const other = await runCli('audit payments --history history.db'.split(' '), { cwd })
  assert.deepEqual([other.code, other.stdout], [4, ''])
  assert.match(other.stderr, /^HISTORY_FOREIGN: /)
  const missing = await runCli('audit --history none.db'.split(' '), { cwd })
  assert.equal(missing.code, 4)
})

test('options of a consumer without one, and a consumer of another exchange, are wrong usage', async (t) => {
  const cwd = tempFolder(t)
  for (const line of ['audit --repair', 'audit orders --store shipping.db', 'audit --export shipping']) {
    const { code, stderr } = await runCli(line.split(' '), { cwd })
    assert.equal(code, 2)
    assert.match(stderr, /^CLI_USAGE: --store, --export and --repair belong to --consumer/)
  }
  writeFileSync(
    join(cwd, 'shipping.mjs'),
    "export const shipping = { name: 'shipping', exchange: 'orders', on: { '*': () => {} } }",
  )
  const consumer = ['audit', 'payments', '--consumer', 'shipping.mjs', '--export', 'shipping']
  const other = await runCli(consumer, { cwd })
  assert.deepEqual([other.code, other.stdout], [2, ''])
  assert.match(other.stderr, /^CLI_USAGE: shipping is a consumer of orders, not of payments/)
})
