/**
 * A consumer's database in memory. A transaction writes beside what is committed, and all of it is
 * committed at once, or nothing: after a throw, and where the process dies before.
 */
import type { Identity } from '../../events/index.ts'
import { ConsumerError } from '../errors.ts'
import type { ParkingTransaction } from '../parking/parking.ts'
import { type ConsumerState, type ConsumerStore, type InboxMark, initialState } from '../store.ts'
import type { Life } from './life.fixture.ts'

/** What a handler wrote. */
export interface Effect extends Identity {
  /** The source's own count. */
  readonly number: number
  /** In the history, where it was replayed. */
  readonly position: number | undefined
  /** The live session at that time. */
  readonly session: number
  readonly at: number
}

export interface InboxRow extends Identity {
  /** Undefined while it waits. */
  readonly passedAt: number | undefined
}

export class SimDatabase {
  state: ConsumerState = initialState
  inbox = new Map<string, InboxRow>()
  waiting = 0
  /** Positions that the cursor has passed. */
  readonly applied = new Set<number>()
  readonly tries = new Map<string, number>()
  readonly effects: Effect[] = []
  /** It cannot be written before then. */
  unavailableUntil = 0
  onCommit: (effects: readonly Effect[]) => void = () => {}
}

/** Its handlers fail now and then, and never give up. */
export const nothingParked = { parked: 0, reactions: 0, discarded: 0 }

export function keyOf({ source, id }: Identity): string {
  return `${source}\0${id}`
}

/** The database as one process has it open. */
export function openSimStore(database: SimDatabase, life: Life): ConsumerStore<Effect[]> {
  return {
    acquire: () => life.call(() => {}),
    state: () => life.call(() => database.state),
    waiting: () =>
      life.call(() => [...database.inbox.values()].filter(({ passedAt }) => passedAt === undefined)),
    async transaction(work) {
      await life.point()
      requireAvailable(database, life)
      const written: Written = {
        effects: [],
        rows: new Map(),
        forgetBefore: undefined,
        state: undefined,
        tries: new Map(),
        positions: [],
      }
      const result = await work({
        tx: written.effects,
        async marks(identities) {
          await life.point({ takesTime: false })
          return identities.map((identity) => markOf(written.rows, database.inbox, keyOf(identity)))
        },
        async add(identities, passedAt) {
          await life.point({ takesTime: false })
          for (const { source, id } of identities) {
            const key = keyOf({ source, id })
            // A primary key, as in any database.
            if (markOf(written.rows, database.inbox, key) !== undefined) throw new Error(`${key} is there`)
            written.rows.set(key, { source, id, passedAt })
          }
        },
        async pass(identities, at) {
          await life.point({ takesTime: false })
          for (const { source, id } of identities) {
            const key = keyOf({ source, id })
            const isThere = markOf(written.rows, database.inbox, key) !== undefined
            if (isThere) written.rows.set(key, { source, id, passedAt: at })
          }
        },
        async forget(passedBefore) {
          await life.point({ takesTime: false })
          written.forgetBefore = passedBefore
        },
        async save(state) {
          await life.point({ takesTime: false })
          written.state = state
        },
        async noteApplied(positions) {
          await life.point({ takesTime: false })
          written.positions.push(...positions)
        },
        async countTry(_part, identity) {
          await life.point({ takesTime: false })
          const tries = database.tries.get(keyOf(identity)) ?? 0
          written.tries.set(keyOf(identity), tries + 1)
          return tries
        },
        async forgetTries(_part, identity) {
          await life.point({ takesTime: false })
          written.tries.set(keyOf(identity), 0)
        },
        parking: nothingToPark,
        reactions: { add: refuse, first: async () => [], remove: refuse, erase: refuse },
      })
      await life.point()
      requireAvailable(database, life)
      commit(database, written, life.timeline.now())
      await life.point()
      return result
    },
    close: () => life.call(() => {}),
  }
}

interface Written {
  readonly effects: Effect[]
  readonly rows: Map<string, InboxRow>
  forgetBefore: number | undefined
  state: ConsumerState | undefined
  readonly positions: number[]
  readonly tries: Map<string, number>
}

const nothingToPark: ParkingTransaction = {
  held: async () => new Set(),
  park: refuse,
  missing: async (_part, identities) => identities.map(() => false),
  due: async () => [],
  failed: refuse,
  resolve: refuse,
  erase: refuse,
  counts: async () => nothingParked,
}

async function refuse(): Promise<never> {
  throw new Error('The simulation parks nothing')
}

function markOf(
  written: Map<string, InboxRow>,
  committed: Map<string, InboxRow>,
  key: string,
): InboxMark | undefined {
  const row = written.get(key) ?? committed.get(key)
  if (row === undefined) return undefined
  return row.passedAt === undefined ? 'waiting' : 'passed'
}

function requireAvailable(database: SimDatabase, life: Life): void {
  if (life.timeline.now() < database.unavailableUntil) {
    throw new ConsumerError('CONSUMER_STORE_UNAVAILABLE', 'The simulated disk is full')
  }
}

function commit(database: SimDatabase, written: Written, now: number): void {
  const { effects, rows, forgetBefore, state, positions, tries } = written
  for (const position of positions) database.applied.add(position)
  for (const [key, count] of tries) {
    if (count === 0) database.tries.delete(key)
    else database.tries.set(key, count)
  }
  const committed = effects.map((effect) => ({ ...effect, at: now }))
  database.effects.push(...committed)
  for (const [key, row] of rows) database.inbox.set(key, row)
  for (const [key, { passedAt }] of forgetBefore === undefined ? [] : database.inbox) {
    if (passedAt !== undefined && passedAt < forgetBefore!) database.inbox.delete(key)
  }
  if (state !== undefined) database.state = state
  database.waiting = 0
  for (const { passedAt } of database.inbox.values()) if (passedAt === undefined) database.waiting += 1
  database.onCommit(committed)
}
