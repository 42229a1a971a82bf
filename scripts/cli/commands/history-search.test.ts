import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { attributesOf, toMessage } from '../../../events/index.ts'
import { openHistoryWriter } from '../../../history/index.ts'
import { runCli, tempFolder } from '../run-cli.fixture.ts'

const day = Date.parse('2026-03-01T12:00:00Z')

/** Orders 1 to n, an hour apart: order n has the total n, and every third is of another type and source. */
async function ordersOf(t: TestContext, { count = 60, hours = 1 } = {}) {
  const cwd = tempFolder(t)
  const writer = await openHistoryWriter({ history: join(cwd, 'backstory-history.db'), exchange: 'orders' })
  t.mock.timers.enable({ apis: ['Date'], now: day })
  for (let from = 1; from <= count; from += hours === 0 ? 1_000 : 1) {
    const numbers = Array.from(
      { length: hours === 0 ? Math.min(1_000, count - from + 1) : 1 },
      (_, i) => from + i,
    )
    const events = numbers.map((n) => {
      const type = n % 3 === 0 ? 'order.paid' : 'order.placed'
      const event = { type, subject: `EC-${n % 5}`, id: `o-${n}`, data: dataOf(n) }
      const message = toMessage(event, { exchange: 'orders', source: n % 3 === 0 ? '/bank' : '/shop' })
      return { ...attributesOf(message), message }
    })
    await writer.append({ events, fences: [] })
    t.mock.timers.tick(hours * 3_600_000)
  }
  t.mock.timers.reset()
  await writer.close()
  const run = (...args: string[]) => runCli(args, { cwd })
  const totals = async (...args: string[]) => totalsOf((await run(...args, '--json')).stdout)
  return {
    run,
    totals,
    terminal: (...args: string[]) => runCli(args, { cwd, terminal: true, env: { LANG: 'C.UTF-8' } }),
  }
}

function dataOf(n: number) {
  return { order: { total: n }, customer: { name: n % 2 === 0 ? 'Ada' : 'Bo' } }
}

function totalsOf(stdout: string): number[] {
  const lines = stdout.split('\n').filter((line) => line !== '')
  return lines.map((line) => (JSON.parse(line) as { data: { order: { total: number } } }).data.order.total)
}

test('events are listed by type, subject and source, each of which may be given several times', async (t) => {
  const { totals } = await ordersOf(t, { count: 12 })
  const list = (...args: string[]) => totals('history', 'list', ...args)
  assert.deepEqual(await list('--type', 'order.paid'), [3, 6, 9, 12])
  assert.deepEqual(await list('--subject', 'EC-1', '--subject', 'EC-2'), [1, 2, 6, 7, 11, 12])
  assert.deepEqual(await list('--source', '/bank', '--source', '/nobody'), [3, 6, 9, 12])
  assert.deepEqual(await list('--type', 'order.paid', '--subject', 'EC-2'), [12])
})

test('events are listed by when they were recorded, and by position', async (t) => {
  const { totals } = await ordersOf(t, { count: 30 })
  const list = (...args: string[]) => totals('history', 'list', ...args)
  assert.deepEqual(await list('--since', '2026-03-01T14:00Z', '--until', '2026-03-01T16:00'), [3, 4])
  assert.deepEqual(await list('--since', '2026-03-02', '--limit', '2'), [13, 14])
  assert.deepEqual(await list('--after', '10', '--up-to', '12'), [11, 12])
  assert.deepEqual(await list('--since', '1d'), [])
  assert.deepEqual(await list('--until', '1d', '--last', '2'), [29, 30])
})

test('a page says how the next one is asked for, in either direction, and the last one does not', async (t) => {
  const { run } = await ordersOf(t, { count: 30 })
  for (const direction of [[], ['--newest-first']]) {
    const found: number[] = []
    let next: string[] = []
    for (let pages = 0; pages < 10; pages++) {
      const args = ['--type', 'order.paid', '--limit', '4', '--json', ...direction, ...next]
      const { stdout, stderr } = await run('history', 'list', ...args)
      found.push(...totalsOf(stdout))
      const [, option] = /^More may follow: (.*)\n$/.exec(stderr) ?? []
      if (option === undefined) break
      next = option.split(' ')
    }
    const paid = [3, 6, 9, 12, 15, 18, 21, 24, 27, 30]
    assert.deepEqual(found, direction.length === 0 ? paid : paid.reverse())
  }
})

test('search finds by text and by conditions on JSON, all of which must hold', async (t) => {
  const { run, totals } = await ordersOf(t, { count: 12 })
  const search = (...args: string[]) => totals('history', 'search', ...args)
  assert.deepEqual(await search('--text', 'Ada', '--limit', '2'), [2, 4])
  assert.deepEqual(await search('--text', 'ADA'), [])
  assert.deepEqual(await search('--text', 'ADA', '-i', '--last', '1'), [12])
  assert.deepEqual(await search('--where', '$.order.total>9', '--where', '$.customer.name=Bo'), [11])
  assert.deepEqual(await search('--where', '$.order.total<=6', '--type', 'order.paid', '-r'), [6, 3])
  const nothing = await run('history', 'search', '--where', '$.order.total=99')
  assert.deepEqual([nothing.code, nothing.stdout], [1, ''])
  const wrong = await run('history', 'search', '--where', '$.order..total=1')
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /--where: In \$\.order\.\.total=1 at character 9: expected a name/)
  assert.equal((await run('history', 'search', '--type', 'order.paid')).code, 2)
})

test('what no index serves is said before the events are looked at, with a bar on a terminal', async (t) => {
  const { run, terminal } = await ordersOf(t, { count: 12_000, hours: 0 })
  const said = async (...args: string[]) => (await run('history', ...args, '--limit', '1')).stderr
  const looking = (by: string) => `No index serves ${by}: looking at 12,000 events\n`
  assert.equal(await said('list', '--source', '/nobody'), looking('--source'))
  assert.equal(await said('search', '--text', 'nobody'), looking('--text'))
  assert.equal(await said('list', '--type', 'none', '--type', 'of them'), looking('several types'))
  for (const served of [
    ['--type', 'none'],
    ['--subject', 'none'],
    ['--since', '1d'],
    ['--after', '11999'],
  ]) {
    assert.equal(await said('list', ...served), '', served.join(' '))
  }
  const { stderr } = await terminal('history', 'search', '--where', '$.order.total=12000', '-i')
  assert.match(stderr, /^No index serves --where/)
})

test('stats count by type, source and day, and the sizes, also of a part', async (t) => {
  const { run } = await ordersOf(t, { count: 30 })
  const stats = async (...args: string[]) =>
    JSON.parse((await run('history', 'stats', '--json', ...args)).stdout) as Record<string, unknown>
  const all = await stats()
  const days = [
    { day: '2026-03-01', events: 12 },
    { day: '2026-03-02', events: 18 },
  ]
  const types = [
    { type: 'order.placed', events: 20 },
    { type: 'order.paid', events: 10 },
  ]
  const { sizes, ...figures } = all
  assert.deepEqual(figures, {
    exchange: 'orders',
    first: 1,
    last: 30,
    firstAt: '2026-03-01T12:00:00.000Z',
    lastAt: '2026-03-02T17:00:00.000Z',
    events: 30,
    recent: { minute: 0, hour: 0, day: 0 },
    days,
    types,
    subjects: { count: 5, isExact: true },
    sources: [
      { source: '/shop', events: 20 },
      { source: '/bank', events: 10 },
    ],
    others: { types: 0, sources: 0 },
  })
  const bodies = Array.from({ length: 30 }, (_, index) => JSON.stringify(dataOf(index + 1)).length)
  const { min, max, total } = sizes as Record<string, number>
  assert.deepEqual(
    [min, max, total],
    [Math.min(...bodies), Math.max(...bodies), bodies.reduce((a, b) => a + b)],
  )
  const quick = await stats('--quick')
  assert.deepEqual([quick.types, quick.sources, quick.sizes], [types, undefined, undefined])
  const part = await stats('--since', '2026-03-02', '--up-to', '20')
  assert.deepEqual(
    [part.first, part.last, part.events, part.days],
    [13, 20, 8, [{ day: '2026-03-02', events: 8 }]],
  )
  assert.deepEqual((await stats('--days', '1')).days, days.slice(1))
  const empty = await stats('--since', '1d')
  assert.deepEqual([empty.events, empty.days, empty.firstAt], [0, [], undefined])
})

test('a pattern picks by what the line of an event says, beside the other options', async (t) => {
  const { run, totals } = await ordersOf(t, { count: 30 })
  const over = (least: number) => ({ data: { order: { total: [{ numeric: ['>', least] }] } } })
  const search = (pattern: object, ...more: string[]) =>
    totals('history', 'search', '--pattern', JSON.stringify(pattern), ...more)
  assert.deepEqual(await search({ type: ['order.paid'], ...over(20) }), [21, 24, 27, 30])
  assert.deepEqual(await search(over(20), '--subject', 'EC-1', '--newest-first'), [26, 21])
  assert.deepEqual(await search({ position: [7], source: [{ prefix: '/sh' }] }), [7])
  assert.deepEqual(await search(over(10), '--where', '$.customer.name=Ada', '--limit', '2'), [12, 14])
  const none = await run('history', 'search', '--pattern', '{"type":["none"]}')
  assert.deepEqual([none.code, none.stdout], [1, ''])
  const wrong = await run('history', 'search', '--pattern', '{"data":{"n":[{"numeric":["~",1]}]}}')
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /--pattern: data\.n\[0\]\.numeric/)
})

test('charts are blocks on a terminal that has them, else ASCII', async (t) => {
  const { run, terminal } = await ordersOf(t, { count: 30 })
  const line = (text: string) => text.split('\n').find((found) => found.startsWith('  order.paid'))!
  assert.match(line((await run('history', 'stats')).stdout), /^ {2}order\.paid +10 +33\.3 % {2}#+$/)
  assert.match(
    line((await terminal('history', 'stats')).stdout),
    /^ {2}order\.paid +10 +33\.3 % {2}█+[▏▎▍▌▋▊▉]?$/,
  )
})
