import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqlite } from '../../../history/index.ts'
import { runCli, tempFolder } from '../run-cli.fixture.ts'

test('the command of docs/replay/sql.md writes its rows, and a dry run shows them', async (t) => {
  const cwd = tempFolder(t)
  const orders = ['order.placed', 'order.paid', 'order.placed', 'order.placed'].map((type, at) =>
    JSON.stringify({
      id: String(at),
      source: '/s',
      type,
      subject: `EC-${at % 3}`,
      data: { total: at + 0.5 },
    }),
  )
  writeFileSync(join(cwd, 'orders.jsonl'), orders.join('\n'))
  const database = await openSqlite(join(cwd, 'shop.db'))
  t.after(() => database.close())
  database.exec('CREATE TABLE orders (id TEXT PRIMARY KEY, total TEXT) STRICT')
  const page = readFileSync(new URL('../../../docs/replay/sql.md', import.meta.url), 'utf8')
  const [, command] = /```sh\n([\s\S]*?)```/.exec(page)!
  const words = command!
    .replace(/\\\n/g, '')
    .match(/'[^']*'|\S+/g)!
    .slice(1)
  const typed = words.map((word) => word.replace(/^'|'$/g, ''))
  const dry = await runCli([...typed, '--dry-run', '--report', 'report.json'], { cwd })
  assert.equal(dry.code, 0, dry.stderr)
  const { samples } = JSON.parse(readFileSync(join(cwd, 'report.json'), 'utf8')).rules[0]
  assert.deepEqual(samples[0].write, {
    kind: 'sql',
    statement:
      'INSERT INTO "orders" ("id", "total") VALUES (?, ?) ON CONFLICT ("id") DO UPDATE SET "total" = excluded."total"',
    parameters: ['EC-0', '0.5'],
  })
  const rows = () => database.prepare('SELECT id, total FROM orders ORDER BY id').all()
  assert.deepEqual(rows(), [])
  const { code, stderr } = await runCli(typed, { cwd })
  assert.equal(code, 0, stderr)
  assert.deepEqual(rows(), [
    { id: 'EC-0', total: '3.5' },
    { id: 'EC-2', total: '2.5' },
  ])
})
