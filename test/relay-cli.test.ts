import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { historyQueueOf, openOutbox } from '../index.ts'
import { placeFor } from './fixtures/backstory.ts'
import { newExchange } from './fixtures/exchange.ts'
import { postgresDesk, sqliteDatabase, sqliteDesk } from './fixtures/outbox-desk.ts'
import { plainChannel, queueState } from './fixtures/plain.ts'
import { until } from './fixtures/until.ts'

for (const [name, openDesk] of [
  ['SQLite', sqliteDesk],
  ['PostgreSQL', postgresDesk],
] as const) {
  test(`${name}: relay publishes what an application commits, a second one stands by, and both end in good order`, async (t) => {
    const { url, exchange } = await newExchange(t)
    const { start } = placeFor(t, url)
    const desk = await openDesk(t, { exchange, source: '/sales' })
    const sell = async (count: number) => {
      const tx = await desk.begin()
      for (let n = 0; n < count; n++) await tx.add({ type: 't' })
      await tx.commit()
    }
    await sell(100)
    const first = start(`relay ${desk.place} --exchange ${exchange} --json --every 0.1`)
    await first.prints(/"state":"relaying","pending":0,"relayed":100/)
    const second = start(`relay ${desk.place} --exchange ${exchange}`)
    await second.says(/standing by/)
    first.signal('SIGTERM')
    const { code, stdout } = await first.ended
    assert.equal(code, 0)
    const { state, relayed, sequence } = JSON.parse(stdout.trim().split('\n').at(-1)!)
    assert.deepEqual([state, relayed, sequence], ['stopped', 100, 100])
    await second.says(/Relaying/)
    await sell(1)
    const channel = await plainChannel(t, url)
    await until('it arrives', async () => {
      return (await queueState(channel, historyQueueOf(exchange))).messageCount === 101
    })
    second.signal('SIGINT')
    const ended = await second.ended
    assert.equal(ended.code, 0)
    assert.match(ended.stderr, /: stopped, 1 relayed, 0 in the outbox\n$/)
    const password = desk.place.startsWith('postgres:') ? new URL(desk.place).password : undefined
    assert.ok(password === undefined || !ended.stderr.includes(password))
  })
}

test('relay says what is wrong in one line: no exchange, no database, no outbox', async (t) => {
  const { url, exchange, folder } = await newExchange(t)
  const { run } = placeFor(t, url)
  const path = join(folder, 'sales.db')
  const database = sqliteDatabase(t, path)
  const cases: [args: string, code: number, said: RegExp][] = [
    [path, 2, /^CLI_USAGE: Name the exchange/],
    [`${path}.none --exchange ${exchange}`, 2, /^CLI_FILE_UNREADABLE: .* does not exist/],
    [`${path} --exchange ${exchange}`, 3, /^PUBLISH_OUTBOX_FOREIGN: .* has no outbox for the exchange/],
    ['postgres://nobody@127.0.0.1:1/none --exchange orders', 4, /^HISTORY_UNAVAILABLE: /],
  ]
  const outcomes = await Promise.all(cases.map(([args]) => run(`relay ${args}`)))
  for (const [index, [, code, said]] of cases.entries()) {
    const { code: ended, stderr } = outcomes[index]!
    assert.match(stderr, said)
    assert.equal(ended, code, stderr)
    assert.equal(stderr.trim().split('\n').length, 1)
  }
  const outbox = openOutbox({ database, exchange, source: '/sales' })
  database.transaction(() => {
    outbox.add(database, { type: 't', id: 'bad' })
    database.prepare('UPDATE backstory_outbox SET properties = \'{"headers":{},"priority":"no"}\'').run()
  })()
  const blocked = await run(`relay ${path} --exchange ${exchange}`)
  assert.match(blocked.stderr, /^PUBLISH_OUTBOX_BLOCKED: Event bad can never be published: .*sequence = 1/m)
  assert.equal(blocked.code, 3)
})
