import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  idsUpTo,
  ordersConsumer,
  type RebuildPlace,
  rebuildPlace,
} from '../../../consumers/rebuild/rebuild.fixture.ts'
import { runCli, startCli } from '../run-cli.fixture.ts'

const line = 'rebuild ./shipping.mjs --store store.db --history history.db'

test('rebuild tells what it did and how long the consumer had to wait; data is on standard output', async (t) => {
  const place = await stoppedConsumer(t, { events: 500 })
  await place.exec('CREATE TABLE notes (id TEXT)')
  const { code, stdout, stderr } = await runCli(line.split(' '), { cwd: place.folder })
  assert.equal(code, 0)
  assert.match(stdout, /^consumer +shipping$/m)
  assert.match(stdout, /^applied +500$/m)
  assert.match(stdout, /^tables +orders, totals$/m)
  assert.match(stdout, /^took +\d+\.\d\d s, for \d+\.\d\d s of which the consumer had to wait$/m)
  assert.match(stderr, /^Not made by this definition, and left as they were: notes$/m)
  assert.deepEqual(await place.query('SELECT version, count(*) AS n FROM orders'), [{ version: 2, n: 500 }])
  const again = await runCli([...line.split(' '), '--json', '--export', 'default'], { cwd: place.folder })
  const { tookMs, lockedMs, ...rebuilt } = JSON.parse(again.stdout)
  assert.ok(lockedMs >= 0 && tookMs >= lockedMs)
  assert.deepEqual(rebuilt.left, ['notes'])
})

test('rebuild that is interrupted leaves the old tables and exits with 130', async (t) => {
  const place = await stoppedConsumer(t, { events: 500 })
  // The last event sends the signal that stops the command.
  writeFileSync(
    join(place.folder, 'shipping.mjs'),
    shipping("if (event.id === '500') process.emit('test-stop')"),
  )
  const running = startCli(line.split(' '), { cwd: place.folder })
  process.once('test-stop' as 'SIGUSR2', () => running.signal('SIGINT'))
  const { code, stdout, stderr } = await running.done
  assert.deepEqual([code, stdout], [130, ''])
  assert.match(stderr, /CLI_INTERRUPTED: /)
  assert.deepEqual(await place.query('SELECT version, count(*) AS n FROM orders'), [{ version: 1, n: 500 }])
  assert.deepEqual(await place.leftovers(), [])
})

test('rebuild refuses what it cannot do with the exit code of a consumer, or of a history', async (t) => {
  const place = await stoppedConsumer(t, { events: 20 })
  const run = (more: string) => runCli(`${line} ${more}`.split(' '), { cwd: place.folder })
  const none = await runCli('rebuild ./shipping.mjs --history history.db'.split(' '), { cwd: place.folder })
  assert.deepEqual([none.code, none.stderr.split(':')[0]], [5, 'CONSUMER_STORE_UNAVAILABLE'])
  const noHistory = await runCli('rebuild ./shipping.mjs --store store.db'.split(' '), { cwd: place.folder })
  assert.equal(noHistory.code, 4)
  const tables = await run('--table parcels')
  assert.deepEqual([tables.code, tables.stderr.split(':')[0]], [5, 'CONSUMER_REBUILD_CONFLICT'])
  const postgres = await runCli(
    'rebuild ./shipping.mjs --store postgres://localhost/x --history history.db'.split(' '),
    {
      cwd: place.folder,
    },
  )
  assert.deepEqual([postgres.code, postgres.stderr.split(':')[0]], [5, 'CONSUMER_REBUILD_UNSUPPORTED'])
})

async function stoppedConsumer(t: TestContext, { events }: { events: number }): Promise<RebuildPlace> {
  const place = await rebuildPlace(t)
  await place.record(idsUpTo(events))
  await place.consume(ordersConsumer(1), events)
  writeFileSync(join(place.folder, 'shipping.mjs'), shipping(''))
  return place
}

/** The consumer of version 2 as a module of its own. */
function shipping(first: string): string {
  const fixture = new URL('../../../consumers/rebuild/rebuild.fixture.ts', import.meta.url).href
  return `
    import { ordersConsumer, placeOrder } from '${fixture}'
    export default ordersConsumer(2, { on: { '*': (event, { tx }) => { ${first}; placeOrder(tx, event, 2) } } })`
}
