import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pluginTarget } from '../../plugin-target.fixture.ts'
import { createSqlAction } from './sql.ts'

type Table = readonly [address: string, table: string]

const same: readonly (readonly [Table, Table])[] = [
  [
    ['sqlite:o.db', 'T'],
    ['sqlite:./x/../o.db', 'main.t'],
  ],
  [
    ['sqlite:o.db', 't'],
    ['sqlite:link.db', 't'],
  ],
  [
    ['sqlite:not-yet.db', 't'],
    ['SQLITE:./not-yet.db', 't'],
  ],
  [
    ['postgres://a:b@LOCALHOST/shop', 'orders'],
    ['postgresql://c@127.0.0.1:5432/shop?sslmode=disable', 'public.orders'],
  ],
  [
    ['postgres://shop@db.example/', 'orders'],
    ['postgres://db.example/shop', 'shop.public.orders'],
  ],
  [
    ['mysql://db.example/shop', 'Orders'],
    ['mariadb://DB.example:3306/other', 'shop.orders'],
  ],
  [
    ['sqlserver://db.example/shop', 'Orders'],
    ['sqlserver://db.example:1433/shop?encrypt=false', 'dbo.orders'],
  ],
]

const others: readonly (readonly [Table, Table])[] = [
  [
    ['sqlite:o.db', 't'],
    ['sqlite:p.db', 't'],
  ],
  [
    ['sqlite:o.db', 't'],
    ['sqlite:o.db', 'aux.t'],
  ],
  [
    ['sqlite:o.db', '"a.b"'],
    ['sqlite:o.db', 'a.b'],
  ],
  [
    ['postgres://db.example/shop', 'orders'],
    ['postgres://db.example/shop', 'Orders'],
  ],
  [
    ['postgres://db.example/shop', 'orders'],
    ['postgres://db.example:5433/shop', 'orders'],
  ],
  [
    ['postgres://db.example/shop', 'orders'],
    ['postgres://db.example/shop', 'archive.orders'],
  ],
  [
    ['mysql://db.example/shop', 'orders'],
    ['mysql://db.example/archive', 'orders'],
  ],
  [
    ['sqlserver://db.example/shop', 'orders'],
    ['sqlserver://db.example/shop', 'archive.orders'],
  ],
]

const cwd = mkdtempSync(join(tmpdir(), 'backstory-target-'))
test.after(() => rmSync(cwd, { recursive: true, force: true }))
writeFileSync(join(cwd, 'o.db'), '')
symlinkSync('o.db', join(cwd, 'link.db'))

const targetOf = ([address, table]: Table) =>
  createSqlAction(pluginTarget(address, { cwd, options: { table } })).target

for (const [one, other] of same) {
  test(`${one.join(' ')} and ${other.join(' ')} are one table`, () => {
    assert.equal(targetOf(one), targetOf(other))
  })
}
for (const [one, other] of others) {
  test(`${one.join(' ')} and ${other.join(' ')} are two`, () => {
    assert.notEqual(targetOf(one), targetOf(other))
  })
}

test('the target of a table holds no password', () => {
  assert.doesNotMatch(targetOf(['mysql://root:secret@db.example/shop?tls=true', 'orders'])!, /secret/)
})
