/**
 * What a consumer of a chaos run does: a row an event, in a table without a key, so that an event that
 * takes effect twice leaves two rows. They are counted by themselves, apart from the toolkit's own marks.
 */
import { openSqlite } from '../../history/index.ts'
import { type ConsumerDefinition, defineConsumer } from '../../index.ts'

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
 * @param options.isFailing - One event in fifty fails, at its first two tries; and its handlers take a turn
 *   of the event loop, as one does that asks a service.
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
      '*': ({ source, id }, { tx, replayed, attempt }) => {
        tx.run(source, id, replayed ? 1 : 0)
        if (!isFailing) return
        // After the row: what a failed try wrote must go with it.
        if (attempt <= 2 && isChosen(id)) throw new Error(`Told to fail at try ${attempt}`)
        return Promise.resolve()
      },
    },
    retry: { attempts: 5, backoffMs: 5 },
  })
}

/** By the event's number, so that the same ones fail in every run. */
function isChosen(id: string): boolean {
  return Number(/\d+$/.exec(id)?.[0]) % 50 === 7
}

/** In the order in which they were written. */
export async function readEffects(path: string): Promise<Effect[]> {
  const database = await openSqlite(path, { readonly: true })
  try {
    return database.prepare('SELECT source, id, replayed FROM effects ORDER BY rowid').all() as Effect[]
  } finally {
    database.close()
  }
}
