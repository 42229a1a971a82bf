import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  effectsIn,
  failedEvent,
  parkedPlace,
  sqlitePath,
  waitingEvent,
} from '../../../consumers/parking/parked.fixture.ts'
import type { NewParked } from '../../../consumers/parking/parking.ts'
import { openSqliteStore } from '../../../consumers/sqlite/sqlite-store.ts'
import { initialState } from '../../../consumers/store.ts'
import { runCli } from '../run-cli.fixture.ts'

const index = fileURLToPath(new URL('../../../index.ts', import.meta.url))

/** A consumer that fails for the ids in FAILING of its folder. */
const definition = `import { existsSync, readFileSync } from 'node:fs'
import { defineConsumer } from ${JSON.stringify(index)}
const failing = new URL('failing', import.meta.url)
export default defineConsumer({
  name: 'shipping',
  exchange: 'orders',
  prepare: (database) =>
    database.exec('CREATE TABLE IF NOT EXISTS effects (id TEXT, subject TEXT, data TEXT)') && database,
  on: {
    '*': ({ id, subject, data }, { tx }) => {
      if (existsSync(failing) && readFileSync(failing, 'utf8').split(' ').includes(id)) throw new Error('no paint')
      tx.prepare('INSERT INTO effects VALUES (?, ?, ?)').run(id, subject, JSON.stringify(data))
    },
  },
})
`

async function place(t: TestContext) {
  const parked = await parkedPlace(t, sqlitePath(t))
  const cwd = dirname(parked.store)
  writeFileSync(join(cwd, 'shipping.ts'), definition)
  return {
    ...parked,
    run: (line: string, options: { stdin?: string } = {}) => runCli(line.split(' '), { cwd, ...options }),
    fail: (...ids: string[]) => writeFileSync(join(cwd, 'failing'), ids.join(' ')),
  }
}

const lines = (text: string) => text.trimEnd().split('\n')

test('list, groups and show tell what is parked, for people and for programs', async (t) => {
  const { park, run } = await place(t)
  await park(failedEvent('a', { subject: 'EC-1' }), waitingEvent('b', 'EC-1'), failedEvent('c\u001b[31m'))
  const table = lines((await run('parked list shipping.db')).stdout)
  assert.equal(table.length, 4)
  assert.match(table[1]!, /^ +1 +apply +failed +[0-9a-f]{12} +EC-1 +order\.placed +a +1970-01-01T00:00:01/)
  assert.match(table[3]!, /c\\x1b\[31m/)
  const json = lines((await run('parked list shipping.db --json --limit 2')).stdout).map((line) =>
    JSON.parse(line),
  )
  assert.deepEqual(
    json.map(({ number, reason, error }) => [number, reason, error?.message]),
    [
      [1, 'failed', 'out of paint'],
      [2, 'behind', undefined],
    ],
  )
  assert.match((await run('parked list shipping.db --limit 1')).stderr, /More follow: --after 1/)
  const groups = await run('parked groups shipping.db --json')
  assert.deepEqual(
    lines(groups.stdout).map((line) => JSON.parse(line).events),
    [1, 1],
  )
  assert.match(groups.stderr, /3 parked, in 2 groups/)
  const { stdout } = await run('parked show shipping.db 2')
  assert.match(stdout, /^waits behind +1$/m)
  const whole = JSON.parse((await run('parked show shipping.db 1 --json')).stdout)
  assert.equal(Buffer.from(whole.message.data_base64, 'base64').toString(), '{"id":"a"}')
  assert.equal((await run('parked show shipping.db 1 --body')).stdout, '{"id":"a"}')
  assert.equal((await run('parked show shipping.db 9')).code, 1)
})

test('retry runs what is marked where the consumer does not, and tells what failed again by its exit code', async (t) => {
  const { park, run, fail, events, store } = await place(t)
  await park(failedEvent('1', { subject: 's' }), waitingEvent('2', 's'), failedEvent('3', { subject: 't' }))
  fail('3')
  const dry = await run('parked retry ./shipping.ts --all --dry-run')
  assert.match(dry.stderr, /would be tried: 2; 1 wait behind/)
  assert.equal((await events.list()).length, 3)
  const first = await run('parked retry ./shipping.ts --all --reason mended --json')
  const { seconds: _seconds, ...figures } = JSON.parse(first.stdout)
  assert.deepEqual(figures, { events: 2, applied: 1, followed: 1, failed: 1, waiting: 0, discarded: 0 })
  assert.equal(first.code, 1)
  assert.deepEqual(await effectsIn(store), ['1', '2'])
  fail()
  const second = await run('parked retry ./shipping.ts 3')
  assert.equal(second.code, 0, second.stderr)
  assert.match(second.stdout, /^applied +1$/m)
  const [action] = (await events.get(3).then((one) => one?.actions)) ?? []
  assert.equal(action, undefined)
  assert.equal((await run('parked retry ./shipping.ts --all')).code, 1)
})

test('retry of one that waits behind another says which one to retry', async (t) => {
  const { park, run } = await place(t)
  await park(failedEvent('1', { subject: 's' }), waitingEvent('2', 's'))
  const { code, stderr } = await run('parked retry ./shipping.ts 2')
  assert.deepEqual([code, stderr], [1, 'It waits behind 1 and follows by itself: name 1\n'])
})

test('of a consumer with partitions all are listed, grouped, retried and given up together, each with its name', async (t) => {
  const store = sqlitePath(t)
  const cwd = dirname(store)
  const park = async (number: number, ...events: readonly NewParked[]) => {
    const held = await openSqliteStore({
      path: store,
      consumer: `shipping-${number}`,
      exchange: `orders.${number}of2`,
    })
    await held.acquire(new AbortController().signal)
    await held.transaction(async (unit) => {
      await unit.save(initialState)
      await unit.parking.park(events)
    })
    await held.close()
  }
  const error = new Error('out of paint')
  await park(1, failedEvent('a', { subject: 's', error }))
  await park(2, failedEvent('b', { error }), failedEvent('c', { error }))
  await park(1, waitingEvent('d', 's'))
  writeFileSync(join(cwd, 'shipping.ts'), definition.replace("'orders',", "'orders', partitions: 2,"))
  const run = (line: string) => runCli(line.split(' '), { cwd })
  const listed = async (line: string) => {
    const { code, stdout, stderr } = await run(`parked list shipping.db --json${line}`)
    assert.equal(code, 0, stderr)
    const entries = stdout === '' ? [] : lines(stdout).map((text) => JSON.parse(text))
    return entries.map(({ number, consumer, id }) => `${number} ${consumer} ${id}`)
  }
  const all = ['1 shipping-1 a', '2 shipping-2 b', '3 shipping-2 c', '4 shipping-1 d']
  assert.deepEqual(await listed(''), all)
  assert.deepEqual(await listed(' --consumer shipping --after 1 --limit 2'), all.slice(1, 3))
  assert.deepEqual(await listed(' --consumer shipping-2'), ['2 undefined b', '3 undefined c'])
  assert.match(
    (await run('parked list shipping.db')).stdout,
    /^number +consumer +part[\s\S]* 2 +shipping-2 +apply/,
  )
  const groups = await run('parked groups shipping.db --json')
  const [group, ...others] = lines(groups.stdout).map((line) => JSON.parse(line))
  assert.deepEqual([group.events, group.subjects, group.waiting, others], [3, 1, 1, []])
  assert.equal((await run('parked discard shipping.db 3')).code, 0)
  assert.match((await run('parked show shipping.db 3')).stdout, /^consumer +shipping-2$/m)
  const retried = await run('parked retry ./shipping.ts --all --json')
  const { seconds: _seconds, ...figures } = JSON.parse(retried.stdout)
  assert.deepEqual(figures, { events: 2, applied: 2, followed: 1, failed: 0, waiting: 0, discarded: 0 })
  assert.deepEqual((await effectsIn(store)).sort(), ['a', 'b', 'd'])
  assert.deepEqual(await listed(''), [])
  assert.deepEqual(await listed(' --state discarded'), ['3 shipping-2 c'])
})

test('an event is edited from an option, a file or standard input, then retried as it is', async (t) => {
  const { park, run, store } = await place(t)
  await park(failedEvent('1'), failedEvent('2'), failedEvent('3'))
  writeFileSync(join(dirname(store), 'body.json'), '{"from":"a file"}')
  const commands = [
    run('parked edit shipping.db 1 --data {"n":12345678901234567890} --reason typo'),
    run('parked edit shipping.db 2 body.json'),
    run('parked edit shipping.db 3 -', { stdin: '{"from":"stdin"}' }),
  ]
  for (const { code, stderr } of await Promise.all(commands)) assert.equal(code, 0, stderr)
  assert.equal((await run('parked show shipping.db 1 --body')).stdout, '{"n":12345678901234567890}')
  assert.match((await run('parked show shipping.db 1')).stdout, /edit: typo[\s\S]*body, as it was published/)
  assert.equal((await run('parked retry ./shipping.ts --all')).code, 0)
  assert.deepEqual(await effectsIn(store), ['1', '2', '3'])
  assert.equal(lines((await run('parked list shipping.db --state mended --json')).stdout).length, 3)
  assert.equal((await run('parked edit shipping.db 1 --data 1')).code, 1)
})

test('discard gives up and restore takes back', async (t) => {
  const { park, run, events } = await place(t)
  await park(failedEvent('1', { subject: 's' }), waitingEvent('2', 's'))
  assert.equal((await run('parked discard shipping.db 1 --dry-run')).code, 0)
  assert.equal((await events.list()).length, 2)
  const done = await run('parked discard shipping.db 1 --reason test --json')
  assert.equal(JSON.parse(done.stdout).events, 1)
  assert.equal((await run('parked discard shipping.db 1')).code, 1)
  assert.equal((await run('parked restore shipping.db 1')).code, 0)
  assert.deepEqual(
    (await events.get(1))!.actions.map(({ action }) => action),
    ['discard', 'restore'],
  )
})

test('a schedule is written down and not waited for', async (t) => {
  const { park, run, events } = await place(t)
  await park(failedEvent('1'))
  assert.equal((await run('parked retry ./shipping.ts 1 --at 2099-01-01T00:00:00Z')).code, 0)
  assert.equal((await events.get(1))!.dueAt, Date.parse('2099-01-01T00:00:00Z'))
})

test('wrong calls are told, and a store is never made', async (t) => {
  const { run, store } = await place(t)
  for (const [line, text] of [
    ['parked retry ./shipping.ts', /Name one event by its number/],
    ['parked retry ./shipping.ts 1 --all', /Name one event by its number/],
    ['parked discard shipping.db x', /x is no number/],
    ['parked list shipping.db --part both', /--part is apply or react/],
    ['parked list shipping.db --state gone', /--state is parked/],
    ['parked edit shipping.db 1 --data {', /--data is no JSON/],
    ['parked retry ./shipping.ts 1 --at soon', /--at is a time/],
    ['parked list none.db', /none\.db does not exist/],
  ] as const) {
    const { code, stderr } = await run(line)
    assert.equal(code, 2, line)
    assert.match(stderr, text)
  }
  const billing = await openSqliteStore({ path: store, consumer: 'billing', exchange: 'orders' })
  await billing.transaction(async (unit) => unit.save(await billing.state()))
  await billing.close()
  assert.equal((await run('parked list shipping.db')).code, 5)
  assert.equal((await run('parked list shipping.db --consumer shipping')).code, 0)
})
