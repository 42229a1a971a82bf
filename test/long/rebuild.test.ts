/** Rebuilds at the size that they are for; test/rebuild.test.ts has them beside live traffic. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSqliteStore } from '../../consumers/sqlite/sqlite-store.ts'
import { openHistory, type RebuildProgress, type Rebuilt } from '../../index.ts'
import { fillHistory } from '../../scripts/bench/fill.ts'
import { temporaryFolder } from '../fixtures/exchange.ts'
import type { LedgerOptions } from '../fixtures/ledger.program.ts'
import { openLedger } from '../fixtures/ledger.ts'
import { type Program, startProgram } from '../fixtures/program.ts'
import { until } from '../fixtures/until.ts'

const exchange = 'orders'
const name = 'shipping'
const kills = 30

type Report = Partial<Rebuilt> &
  Partial<RebuildProgress> & { readonly error?: string; readonly residentMb?: number }

test('a million events are rebuilt in minutes and in flat memory, and writes wait for seconds', async (t) => {
  const residentMb: number[] = []
  for (const events of [100_000, 1_000_000]) {
    const place = await ledgerOf(t, { events })
    const { tookMs, lockedMs, ...rebuilt } = await ended(rebuildOf(t, place, { version: 1 }))
    assert.equal(rebuilt.error, undefined)
    assert.equal(rebuilt.applied, events)
    t.diagnostic(`${events}: ${tookMs} ms, writes waited ${lockedMs} ms, ${rebuilt.residentMb} MB resident`)
    residentMb.push(rebuilt.residentMb!)
  }
  assert.ok(residentMb[1]! < 250)
  assert.ok(residentMb[1]! < residentMb[0]! * 1.25)
})

test(`${kills} kills in the swap leave the old tables or the new ones, whole`, async (t) => {
  const place = await ledgerOf(t, { events: 100_000 })
  const first = await ended(rebuildOf(t, place, { version: 1 }))
  let begun = 1
  let swapped = 0
  for (let version = 2; version < 2 + kills; version++) {
    // The killer takes its time to start, so that some come behind the commit.
    const afterMs = Math.random() * first.lockedMs! * 0.7
    const rebuild = rebuildOf(t, place, { version, dieAt: { phase: 'swapping', afterMs } })
    await until('its death', () => rebuild.hasEnded, { timeoutMs: 120_000 })
    const ledger = openLedger(place.store)
    const reading = ledger.read()
    ledger.close()
    assert.equal(reading.contradiction, undefined)
    assert.ok([begun, version].includes(reading.begun), `${reading.begun}, not ${begun} or ${version}`)
    if (reading.begun === version) swapped += 1
    begun = reading.begun
  }
  t.diagnostic(`${swapped} of ${kills} were killed behind the commit`)
  assert.equal((await ended(rebuildOf(t, place, { version: 2 + kills }))).error, undefined)
})

interface Place {
  readonly history: string
  readonly store: string
  readonly reactions: string
}

/** A history, and the store of a consumer that has taken in all of it; its tables are still to be made. */
async function ledgerOf(t: TestContext, { events }: { events: number }): Promise<Place> {
  const folder = await temporaryFolder(t)
  const place = {
    history: join(folder, 'history.db'),
    store: join(folder, 'shipping.db'),
    reactions: join(folder, 'reactions'),
  }
  await fillHistory(place.history, { exchange, events })
  await using history = openHistory({ history: place.history })
  const { position, count, checksum } = await history.summary()
  const store = await openSqliteStore({ path: place.store, consumer: name, exchange })
  await store.acquire(new AbortController().signal)
  const state = await store.state()
  await store.transaction((unit) => unit.save({ ...state, cursor: position, replayed: count, checksum }))
  await store.close()
  return place
}

function rebuildOf(
  t: TestContext,
  place: Place,
  how: Pick<LedgerOptions, 'version' | 'dieAt'>,
): Program<Report> {
  const options: LedgerOptions = { role: 'rebuild', ...how, ...place, url: '', exchange, name }
  return startProgram<Report>(t, 'ledger', options)
}

async function ended(rebuild: Program<Report>): Promise<Report> {
  await until('its end', () => rebuild.report?.tookMs !== undefined || rebuild.hasEnded, {
    timeoutMs: 600_000,
  })
  return rebuild.report!
}
