/** Consumers' stores with parked events in them, without a broker. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { MessageEvent, toMessage } from '../../events/index.ts'
import { openSqlite, type SqliteDatabase } from '../../history/index.ts'
import { openStore } from '../open-store.ts'
import { initialState } from '../store.ts'
import { parkedError } from './fingerprint.ts'
import { openParkedEvents } from './open-parked-events.ts'
import type { ParkedEvents } from './parked-events.ts'
import type { NewParked } from './parking.ts'

export const consumer = 'shipping'
export const exchange = 'orders'

export interface ParkedPlace {
  /** Its address. */
  readonly store: string
  readonly events: ParkedEvents
  park(...events: readonly NewParked[]): Promise<void>
}

/** @param store - The address of a new store. */
export async function parkedPlace(t: TestContext, store: string): Promise<ParkedPlace> {
  const park = async (...events: readonly NewParked[]) => {
    const opened = await openStore(store, { consumer, exchange })
    await opened.acquire(new AbortController().signal)
    await opened.transaction(async (unit) => {
      await unit.save(initialState)
      await unit.parking.park(events)
    })
    await opened.close()
  }
  await park()
  const events = await openParkedEvents({ store })
  t.after(() => events.close())
  return { store, events, park }
}

/** The path of a SQLite file in a folder of its own, gone after the test. */
export function sqlitePath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'backstory-parked-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'shipping.db')
}

function eventOf(id: string, { subject, type = 'order.placed' }: { subject?: string; type?: string } = {}) {
  const message = toMessage({ type, id, subject, data: { id } }, { exchange, source: '/sales' })
  return new MessageEvent({ id, source: '/sales', type, subject }, message)
}

type Failed = Omit<Partial<NewParked>, 'error'> & {
  readonly subject?: string
  readonly type?: string
  readonly error?: Error
}

export function failedEvent(
  id: string,
  { subject, type, error = new Error('out of paint'), ...more }: Failed = {},
): NewParked {
  const event = eventOf(id, {
    ...(subject !== undefined && { subject }),
    ...(type !== undefined && { type }),
  })
  const base = { part: 'apply', reason: 'failed', event, position: undefined } as const
  return { ...base, error: parkedError(error), attempts: 5, parkedAt: 1_000, dueAt: undefined, ...more }
}

export function waitingEvent(id: string, subject: string, more: Partial<NewParked> = {}): NewParked {
  const event = eventOf(id, { subject })
  const base = { part: 'apply', reason: 'behind', event, position: undefined, error: undefined } as const
  return { ...base, attempts: 0, parkedAt: 2_000, dueAt: undefined, ...more }
}

export interface Effects {
  run(...values: unknown[]): unknown
}

/** A table that handlers write the ids of events to, in order. */
export function prepareEffects(database: SqliteDatabase): Effects {
  database.exec('CREATE TABLE IF NOT EXISTS effects (id TEXT, subject TEXT, data TEXT)')
  return database.prepare('INSERT INTO effects VALUES (?, ?, ?)')
}

export async function effectsIn(path: string): Promise<string[]> {
  const database = await openSqlite(path, { readonly: true })
  try {
    return database.prepare('SELECT id FROM effects ORDER BY rowid').pluck().all() as string[]
  } finally {
    database.close()
  }
}
