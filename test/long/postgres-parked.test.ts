/** Many parked events in PostgreSQL, looked at before it has any statistics of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openStore } from '../../consumers/open-store.ts'
import { openParkedEvents } from '../../consumers/parking/open-parked-events.ts'
import { consumer, exchange, failedEvent, waitingEvent } from '../../consumers/parking/parked.fixture.ts'
import { initialState } from '../../consumers/store.ts'
import { testPostgres } from '../fixtures/postgres.ts'

const subjects = 10_000
const chain = 3
const batch = 1_000
/** Going through all of them for each takes minutes. */
const withinMs = 20_000

test('groups, marks and outcomes of 30,000 parked events take seconds', async (t) => {
  const url = await testPostgres(t)
  const store = await openStore(url, { consumer, exchange })
  t.after(() => store.close())
  await store.acquire(new AbortController().signal)
  await store.transaction((unit) => unit.save(initialState))
  for (let from = 0; from < subjects * chain; from += batch) {
    const numbers = Array.from({ length: batch }, (_, index) => from + index)
    const events = numbers.map((n) => {
      const subject = `s${n % subjects}`
      return n < subjects ? failedEvent(String(n), { subject }) : waitingEvent(String(n), subject)
    })
    await store.transaction((unit) => unit.parking.park(events))
  }
  await using parked = await openParkedEvents({ store: url })
  const startedAt = performance.now()
  const [group, ...others] = await parked.groups()
  const waiting = subjects * (chain - 1)
  assert.deepEqual(
    [group!.events, group!.subjects, group!.waiting, others.length],
    [subjects, subjects, waiting, 0],
  )
  const dry = await parked.retry({ all: true }, { dryRun: true })
  assert.deepEqual([dry.events, dry.waiting], [subjects, waiting])
  const mark = await parked.retry({ group: group!.group })
  const { pending, waiting: behind } = await parked.outcome(mark.id!)
  assert.deepEqual([pending, behind], [subjects, waiting])
  const discarded = await parked.discard({ group: group!.group })
  assert.deepEqual([discarded.events, discarded.waiting], [subjects, waiting])
  assert.equal((await parked.outcome(mark.id!)).following, subjects)
  const tookMs = Math.round(performance.now() - startedAt)
  t.diagnostic(`${tookMs} ms`)
  assert.ok(tookMs < withinMs, `${tookMs} ms`)
})
