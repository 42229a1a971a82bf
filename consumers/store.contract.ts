/** The promises of every consumer's store, as tests to run on each. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parkingPromises } from './parking/parking.contract.ts'
import { type ConsumerState, type ConsumerStore, initialState } from './store.ts'

export interface StoreUnderTest {
  open(): Promise<ConsumerStore<unknown>>
  /** Writes to, and counts in, a table of the application's, over the transaction's `tx`. */
  write(tx: unknown, text: string): unknown
  count(tx: unknown): number | Promise<number>
}

const state: ConsumerState = {
  phase: 'live',
  cursor: 7,
  replayed: 5,
  live: 3,
  duplicates: 2,
  unidentified: 1,
  repairs: 1,
  checksum: '0123456789abcdef0123456789abcdef',
  pruned: 3,
  erased: 2,
  superseded: 6,
  latestTo: 5,
  erasure: 1,
  reactAfter: 4,
}
const a = { source: '/a', id: '1' }
const b = { source: '/b', id: '1' }

export function storeContract(name: string, make: (t: TestContext) => Promise<StoreUnderTest>): void {
  const promise = (
    title: string,
    run: (under: StoreUnderTest, store: ConsumerStore<unknown>) => Promise<void>,
  ) =>
    test(`${name}: ${title}`, async (t) => {
      const under = await make(t)
      const store = await under.open()
      await run(under, store)
      await store.close()
    })

  promise('a new store begins at position 0 with nothing applied', async (_under, store) => {
    assert.deepEqual(await store.state(), initialState)
    assert.deepEqual(await store.waiting(), [])
  })

  promise(
    'effects, inbox and state commit together, and are there after opening again',
    async (under, store) => {
      await store.transaction(async (transaction) => {
        await under.write(transaction.tx, 'one')
        await transaction.add([a])
        await transaction.save(state)
      })
      await store.close()
      const again = await under.open()
      assert.deepEqual(await again.state(), state)
      assert.deepEqual(await again.waiting(), [a])
      assert.equal(await again.transaction(async ({ tx }) => under.count(tx)), 1)
      await again.close()
    },
  )

  promise('what rejects leaves nothing behind, and is passed on', async (under, store) => {
    const mistake = new Error('mistake')
    const work = store.transaction(async (transaction) => {
      await under.write(transaction.tx, 'one')
      await transaction.add([a])
      await transaction.save(state)
      throw mistake
    })
    await assert.rejects(work, (error) => error === mistake)
    assert.deepEqual(await store.state(), initialState)
    assert.deepEqual(await store.transaction((transaction) => transaction.marks([a])), [undefined])
    assert.equal(await store.transaction(async ({ tx }) => under.count(tx)), 0)
  })

  promise('transactions asked for at once run one after the other', async (under, store) => {
    const order: string[] = []
    const work = (text: string) =>
      store.transaction(async ({ tx }) => {
        order.push(`${text} begins`)
        await new Promise(setImmediate)
        await under.write(tx, text)
        order.push(`${text} ends`)
      })
    await Promise.all([work('first'), work('second')])
    assert.deepEqual(order, ['first begins', 'first ends', 'second begins', 'second ends'])
  })

  promise('an inbox entry waits, is passed, and is forgotten after its time', async (_under, store) => {
    await store.transaction((transaction) => transaction.add([a, b]))
    const marks = () =>
      store.transaction((transaction) => transaction.marks([b, { source: '/c', id: '1' }, a]))
    assert.deepEqual(await marks(), ['waiting', undefined, 'waiting'])
    await store.transaction((transaction) => transaction.pass([a], 1_000))
    assert.deepEqual(await marks(), ['waiting', undefined, 'passed'])
    assert.deepEqual(await store.waiting(), [b])
    await store.transaction((transaction) => transaction.forget(1_000))
    assert.deepEqual(await marks(), ['waiting', undefined, 'passed'])
    await store.transaction((transaction) => transaction.forget(1_001))
    assert.deepEqual(await marks(), ['waiting', undefined, undefined])
  })

  parkingPromises(promise)
}
