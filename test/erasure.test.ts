/** Erasure from end to end: what consumers that have applied, parked or never seen the events are told. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { openPostgres } from '../history/index.ts'
import {
  type Consumer,
  type ConsumerOptions,
  defineConsumer,
  type Erasure,
  openHistoryKeeper,
  openPublisher,
  type PostgresClient,
  type Publisher,
  type Recorder,
  type SqliteDatabase,
  startConsumer,
  startRecorder,
} from '../index.ts'
import { newExchange, type TestExchange } from './fixtures/exchange.ts'
import { testPostgres } from './fixtures/postgres.ts'
import { until } from './fixtures/until.ts'

const names = ['production', 'shipping']
const erasing = { subject: 'EC-1', reason: 'asked for', by: 'the office' }

interface Place extends TestExchange {
  readonly recorder: Recorder
  readonly publisher: Publisher
}

async function newPlace(t: TestContext): Promise<Place> {
  const place = await newExchange(t, { consumers: names })
  const { url: broker, exchange, history } = place
  const recorder = startRecorder({ broker, exchange, history })
  t.after(() => recorder.close())
  await recorder.started()
  const publisher = openPublisher({ broker, exchange, source: '/sales' })
  t.after(() => publisher.close())
  return { ...place, recorder, publisher }
}

/** What the tests do to a consumer's own table of subjects, in either kind of store. */
interface Kind {
  /** Starts a consumer whose handler fails for events whose id begins with `bad`. */
  start(place: Place, options: StartOptions): Promise<Consumer>
  /** The ids in its table. */
  ids(place: Place, name: string): Promise<string[]>
}

interface StartOptions {
  readonly name: string
  onErased?(erasure: Erasure, ids: readonly string[]): void
}

const table = 'CREATE TABLE IF NOT EXISTS applied (id text, subject text)'
const optionsOf = ({ url, history }: Place, store: string): ConsumerOptions => ({
  broker: url,
  history,
  store,
  settleMs: 0,
  auditMs: 10,
})
const parts = ({ exchange }: Place, name: string) => ({
  name,
  exchange,
  retry: { attempts: 1 },
})

function failIfBad(id: string): void {
  if (id.startsWith('bad')) throw new Error('a bad one')
}

const sqlite: Kind = {
  async start(place, { name, onErased }) {
    const definition = defineConsumer({
      ...parts(place, name),
      prepare: (database: SqliteDatabase) => database.exec(table),
      on: {
        '*': ({ id, subject }, { tx }) => {
          failIfBad(id)
          tx.prepare('INSERT INTO applied VALUES (?, ?)').run(id, subject)
        },
      },
      async onErased(erasure, { tx, events }) {
        const ids = await idsOf(events())
        for (const id of ids) tx.prepare('DELETE FROM applied WHERE id = ?').run(id)
        onErased?.(erasure, ids)
      },
    })
    return await startConsumer(definition, optionsOf(place, place.store(name)))
  },
  async ids(place, name) {
    const database = new Database(place.store(name), { readonly: true })
    try {
      return database.prepare('SELECT id FROM applied ORDER BY id').pluck().all() as string[]
    } finally {
      database.close()
    }
  },
}

function postgres(url: string): Kind {
  const tableOf = (name: string) => `${name}_applied`
  return {
    async start(place, { name, onErased }) {
      const definition = defineConsumer({
        ...parts(place, name),
        async prepare(client: PostgresClient) {
          await client.query(table.replace('applied', tableOf(name)))
          return client
        },
        on: {
          '*': async ({ id, subject }, { tx }) => {
            failIfBad(id)
            await tx.query(`INSERT INTO ${tableOf(name)} VALUES ($1, $2)`, [id, subject])
          },
        },
        async onErased(erasure, { tx, events }) {
          const ids = await idsOf(events())
          await tx.query(`DELETE FROM ${tableOf(name)} WHERE id = ANY ($1)`, [ids])
          onErased?.(erasure, ids)
        },
      })
      return await startConsumer(definition, optionsOf(place, url))
    },
    async ids(_place, name) {
      const client = await openPostgres(url, { name: 'test' })
      try {
        const { rows } = await client.query<{ id: string }>(`SELECT id FROM ${tableOf(name)} ORDER BY id`)
        return rows.map(({ id }) => id)
      } finally {
        await client.end()
      }
    },
  }
}

async function idsOf(events: AsyncIterable<{ readonly id: string }>): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of events) ids.push(id)
  return ids
}

for (const [store, kindOf] of [
  ['SQLite', async () => sqlite],
  ['PostgreSQL', async (t: TestContext) => postgres(await testPostgres(t))],
] as const) {
  test(`${store}: a running consumer is told of an erasure once, a new one never gets the events`, async (t) => {
    const [place, kind] = [await newPlace(t), await kindOf(t)]
    const publish = (id: string, subject: string) =>
      place.publisher.publish({ type: 'order.placed', id, subject, data: { id } })
    for (const [id, subject] of [
      ['1', 'EC-1'],
      ['2', 'EC-2'],
      ['bad 3', 'EC-1'],
      ['4', 'EC-1'],
    ] as const)
      await publish(id, subject)
    const told: unknown[] = []
    let failures = 1
    const onErased = (erasure: Erasure, ids: readonly string[]) => {
      const { at, ...record } = erasure
      told.push([record, ids])
      // What it has written is rolled back with it.
      if (failures-- > 0) throw new Error('not yet')
    }
    const start = async (options: StartOptions) => {
      const consumer = await kind.start(place, options)
      t.after(() => consumer.close())
      return consumer
    }
    const first = await start({ name: 'production', onErased })
    await first.caughtUp()
    await until('the bad one is parked, and what is behind it', () => first.status.parked === 2)
    await using keeper = await openHistoryKeeper({ history: place.history })
    await keeper.erase(erasing)
    await until('it was told, and told again', () => told.length === 2)
    await until('nothing is parked any more', () => first.status.parked === 0)
    const record = { number: 1, ...erasing, events: 3, lastPosition: 4 }
    assert.deepEqual(told[1], [record, ['1', 'bad 3', '4']])
    assert.deepEqual(await kind.ids(place, 'production'), ['2'])
    await publish('5', 'EC-1')
    await until('the next of the subject is applied', () => first.status.cursor === 5)
    const certificate = await first.certificate()
    assert.deepEqual([certificate.level, certificate.applied, certificate.erased], [true, 3, 2])
    await first.close()
    // A new consumer, and the old one again.
    const second = await start({ name: 'shipping', onErased: (_erasure, ids) => told.push(ids) })
    await second.caughtUp()
    assert.deepEqual(await kind.ids(place, 'shipping'), ['2', '5'])
    const proof = await second.certificate()
    assert.deepEqual([proof.level, proof.applied, proof.erased], [true, 2, 3])
    await second.close()
    const again = await start({ name: 'production', onErased })
    await again.caughtUp()
    await publish('6', 'EC-2')
    await until('it goes on', () => again.status.cursor === 6)
    await again.close()
    assert.equal(told.length, 2, 'once, and not of what a consumer never had')
    assert.deepEqual(await kind.ids(place, 'production'), ['2', '5', '6'])
  })
}
