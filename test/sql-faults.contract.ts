/** What the storage actions of SQL promise where a server, or the way to it, fails. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  act,
  actOn,
  allDone,
  create,
  opened,
  type SqlPlace,
} from '../replay/actions/sql/sql-storage.contract.ts'
import { ActionFailure } from '../replay/index.ts'
import { startProxy } from './fixtures/proxy.ts'

export interface FaultyServer {
  readonly place: SqlPlace
  /** The same database, on a connection of its own. */
  placeAgain(): Promise<SqlPlace>
  kill(): Promise<void>
  start(): Promise<void>
}

export interface FaultWords {
  /** The setting that holds the password where the address has none. */
  readonly password: string
  readonly openPlace: (t: TestContext) => Promise<SqlPlace>
  /** A server of its own. */
  readonly openServer: (t: TestContext) => Promise<FaultyServer>
}

const orders = { columns: { id: 'text', total: 'integer' }, key: ['id'] } as const
const columns = { id: '$.id', total: '$.total' }

export function sqlFaultsContract(name: string, { password, openPlace, openServer }: FaultWords): void {
  const check = (title: string, body: (t: TestContext) => Promise<void>) => test(`${name}: ${title}`, body)

  check(
    'a server that is killed in mid-batch is unavailable, and what is done again leaves what once does',
    async (t) => {
      const { place, placeAgain, kill, start } = await openServer(t)
      await place.makeTable('orders', orders)
      const action = await opened(t, place, { columns })
      const events = Array.from({ length: 8_000 }, (_, at) => ({ id: `k${at % 700}`, total: at }))
      let at = 0
      let killed = 0
      while (at < events.length) {
        const batch = events.slice(at, at + 500)
        const killing = killed < 2 && at >= 1_500 * (killed + 1) ? kill() : undefined
        if (killing !== undefined) killed += 1
        try {
          at += (await act(action, batch)).length
        } catch (error) {
          assert.ok(error instanceof ActionFailure && error.kind === 'unavailable', `${error}`)
        }
        await killing
        if (killing !== undefined) await start()
      }
      assert.equal(killed, 2)
      const rows = await (await placeAgain()).read('orders', orders)
      const expected = new Map(events.map(({ id, total }) => [id, String(total)]))
      assert.deepEqual(new Map(rows.map(({ id, total }) => [id!, total])), new Map([...expected].sort()))
    },
  )

  check(
    'a connection that goes silent, or is cut, ends its batch, and the next one connects anew',
    async (t) => {
      const place = await openPlace(t)
      await place.makeTable('orders', orders)
      const proxy = await startProxy(t, place.address)
      const address = new URL(place.address)
      address.host = new URL(proxy.url).host
      const action = await opened(t, { address: address.href }, { columns, timeoutMs: 300 })
      const events = Array.from({ length: 50 }, (_, at) => ({ id: String(100 + at), total: at }))
      for (const fault of ['deafen', 'mute', 'silence', 'cut'] as const) {
        await allDone(action, events.slice(0, 1))
        const acting = fault === 'cut' ? act(action, events) : undefined
        proxy[fault]()
        // What was cut may have been done before.
        await (acting ?? act(action, events)).then(
          () => assert.equal(fault, 'cut'),
          (error: unknown) => assert.equal((error as ActionFailure).kind, 'unavailable'),
        )
        await allDone(action, events)
      }
      assert.equal((await place.read('orders', orders)).length, 50)
      proxy.refuse()
      await assert.rejects(act(action, events), { kind: 'unavailable' })
    },
  )

  check('rows whose insert was not answered are there once, and skipped where they are', async (t) => {
    const place = await openPlace(t)
    await place.makeTable('orders', orders)
    const proxy = await startProxy(t, place.address)
    const address = new URL(place.address)
    address.host = new URL(proxy.url).host
    const action = await opened(t, { address: address.href }, { columns, mode: 'insert', timeoutMs: 300 })
    const events = Array.from({ length: 20 }, (_, at) => ({ id: String(100 + at), total: at }))
    proxy.deafen()
    await assert.rejects(act(action, events), { kind: 'unavailable' })
    const outcomes = await actOn(action, events)
    assert.deepEqual(
      outcomes.filter((outcome) => outcome instanceof ActionFailure),
      [],
    )
    assert.equal((await place.read('orders', orders)).length, 20)
  })

  check(
    'a server that is away, or does not let us in, is told at the beginning, and never the password',
    async (t) => {
      const { address } = await openPlace(t)
      const away = new URL(address)
      away.port = '1'
      const denied = new URL(address)
      denied.password = 'geheim'
      const nowhere = new URL(address)
      nowhere.pathname = '/nowhere'
      for (const url of [away, denied, nowhere]) {
        const action = create({ address: url.href }, { columns })
        await assert.rejects(action.open({ state: undefined }), (error: Error & { code?: string }) => {
          assert.equal(error.code, 'REPLAY_ACTION_UNAVAILABLE')
          assert.ok(error.message.includes(url.host))
          return !error.message.includes(url.password)
        })
        await action.close()
      }
    },
  )

  check('the password may be a setting', async (t) => {
    const place = await openPlace(t)
    await place.makeTable('orders', orders)
    const url = new URL(place.address)
    const settings = { [password]: decodeURIComponent(url.password) }
    url.password = ''
    const action = create({ address: url.href, settings }, { columns })
    t.after(() => action.close())
    await action.open({ state: undefined })
    await allDone(action, [{ id: 'a', total: 1 }])
  })
}
