/**
 * What a consumer of a chaos run does: a row an event, in a table without a key, so that an event that
 * takes effect twice leaves two rows. They are counted by themselves, apart from the toolkit's own marks.
 */
import { isPostgresUrl, openPostgres, openSqlite } from '../../history/index.ts'
import { type ConsumerDefinition, defineConsumer, type PostgresClient } from '../../index.ts'

export interface Effect {
  readonly source: string
  readonly id: string
  /** 1 where it came from the history. */
  readonly replayed: number
}

interface Insert {
  run(source: string, id: string, replayed: number): unknown
}

/**
 * @param options.isFailing - One event in 53 fails at its first two tries, one in 499 so often
 *   that it is parked, and comes through at its second retry; and its handlers take a turn of the event
 *   loop, as one does that asks a service.
 */
export function effectsConsumer({
  name,
  exchange,
  isFailing,
}: {
  name: string
  exchange: string
  isFailing: boolean
}): ConsumerDefinition<Record<string, never>, Insert> {
  const tries = new Tries()
  return defineConsumer<Record<string, never>, Insert>({
    name,
    exchange,
    prepare(database) {
      database.exec(
        'CREATE TABLE IF NOT EXISTS effects (source TEXT NOT NULL, id TEXT NOT NULL, replayed INTEGER NOT NULL)',
      )
      return database.prepare('INSERT INTO effects (source, id, replayed) VALUES (?, ?, ?)')
    },
    on: {
      '*': ({ source, id }, { tx, replayed }) => {
        tx.run(source, id, replayed ? 1 : 0)
        if (!isFailing) return
        // After the row: what a failed try wrote must go with it.
        const failures = failuresOf(id)
        if (failures > 0 && tries.next(`${source} ${id}`) <= failures) throw new Error('Told to fail')
        return Promise.resolve()
      },
    },
    retry: { attempts: attemptsMax, backoffMs: 5 },
    parking: { retryAfterMs: [300, 500] },
  })
}

/** The same in PostgreSQL, where nothing fails. */
export function postgresEffectsConsumer({
  name,
  exchange,
}: {
  name: string
  exchange: string
}): ConsumerDefinition<Record<string, never>, PostgresClient, PostgresClient> {
  return defineConsumer({
    name,
    exchange,
    async prepare(database: PostgresClient) {
      await database.query(`CREATE TABLE IF NOT EXISTS effects (number bigint GENERATED ALWAYS AS IDENTITY,
        source text NOT NULL, id text NOT NULL, replayed integer NOT NULL)`)
      return database
    },
    on: {
      '*': ({ source, id }, { tx, replayed }) =>
        tx.query({
          name: 'effect',
          text: 'INSERT INTO effects (source, id, replayed) VALUES ($1, $2, $3)',
          values: [source, id, replayed ? 1 : 0],
        }),
    },
  })
}

const attemptsMax = 3

/** By the event's number, so that the same ones fail in every run. */
function failuresOf(id: string): number {
  // Primes, so that every subject has its turn: one behind a parked event waits for seconds.
  if (Number(id) % 499 === 13) return attemptsMax + 1
  return Number(id) % 53 === 7 ? attemptsMax - 1 : 0
}

/**
 * Tries of what fails, of this process: killed, it begins again. Once it came through, it does so for ever:
 * a batch in which another event fails is tried again.
 */
class Tries {
  readonly #counts = new Map<string, number>()

  next(key: string): number {
    const count = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, count)
    return count
  }
}

/**
 * In the order in which they were written.
 *
 * @param store - A path, or the URL of a PostgreSQL database.
 */
export async function readEffects(store: string): Promise<Effect[]> {
  return isPostgresUrl(store) ? await fromPostgres(store) : await fromSqlite(store)
}

async function fromSqlite(path: string): Promise<Effect[]> {
  const database = await openSqlite(path, { readonly: true })
  try {
    return database.prepare('SELECT source, id, replayed FROM effects ORDER BY rowid').all() as Effect[]
  } finally {
    database.close()
  }
}

async function fromPostgres(url: string): Promise<Effect[]> {
  const client = await openPostgres(url, { name: 'backstory chaos' })
  try {
    return (await client.query<Effect>('SELECT source, id, replayed FROM effects ORDER BY number')).rows
  } finally {
    await client.end()
  }
}
