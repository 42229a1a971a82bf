/** What an outbox promises in any database. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { EventInput, OutboxHead, OutboxRow, OutboxRows, OutboxSession } from '../index.ts'
import { until } from './fixtures/until.ts'

export interface Desk {
  readonly rows: OutboxRows
  readonly source: string
  /** Begins a transaction, of which there may be several. */
  begin(): Promise<DeskTransaction>
  /** Adds outside of any transaction. */
  addAlone(event: EventInput): Promise<unknown>
  /** The same outbox, opened by another process. */
  reopen(options?: { source?: string; exchange?: string }): Promise<Desk>
}

export interface DeskTransaction {
  add(event: EventInput): Promise<{ readonly id: string }>
  commit(): Promise<void>
  rollback(): Promise<void>
}

export type OpenDesk = (
  t: TestContext,
  options: { exchange: string; source: string; bodyBytesMax?: number },
) => Promise<Desk>

const options = { exchange: 'orders', source: '/sales' }
const all = { after: 0, limit: 1_000, bytesMax: 1_000_000 }

export function outboxContract(name: string, openDesk: OpenDesk): void {
  const check = (title: string, body: (t: TestContext) => Promise<void>) => test(`${name}: ${title}`, body)

  check('events are numbered in the order of the commits, and a rollback leaves no hole', async (t) => {
    const desk = await openDesk(t, options)
    const session = await acquired(t, desk.rows)
    await commit(desk, 'a', 'b')
    await roll(desk, 'never')
    await commit(desk, 'c')
    await roll(desk, 'never either')
    const other = await desk.reopen()
    await commit(other, 'd')
    assert.deepEqual(idsOf(await session.page(all)), ['1 a', '2 b', '3 c', '4 d'])
    assert.deepEqual(await headOf(session), { sequence: 4, first: 1 })
  })

  check('the numbers and their epoch go on when all that was added is gone', async (t) => {
    const desk = await openDesk(t, options)
    const session = await acquired(t, desk.rows)
    const { epoch, ...head } = await session.head()
    assert.deepEqual(head, { sequence: 0, first: undefined })
    await commit(desk, 'a', 'b', 'c')
    await session.remove({ upTo: 2 })
    assert.deepEqual(await headOf(session), { sequence: 3, first: 3 })
    await session.remove({ upTo: 3 })
    const again = await desk.reopen()
    await commit(again, 'd')
    assert.deepEqual(idsOf(await session.page(all)), ['4 d'])
    assert.equal((await again.rows.head()).epoch, epoch)
  })

  check('what is not committed is not seen', async (t) => {
    const desk = await openDesk(t, options)
    const session = await acquired(t, desk.rows)
    const tx = await desk.begin()
    await tx.add({ type: 't', id: 'a' })
    const page = session.page(all)
    const head = session.head()
    await tx.rollback()
    assert.deepEqual([idsOf(await page), (await head).sequence], [[], 0])
  })

  check('an event added outside of a transaction is refused, and nothing is left of it', async (t) => {
    const desk = await openDesk(t, options)
    await assert.rejects(desk.addAlone({ type: 't' }), { code: 'PUBLISH_OUTSIDE_TRANSACTION' })
    const { sequence } = await desk.rows.head()
    assert.equal(sequence, 0)
  })

  check('an event that could not be published is refused when it is added', async (t) => {
    const desk = await openDesk(t, { ...options, bodyBytesMax: 100 })
    const tx = await desk.begin()
    const refused: [EventInput, RegExp | object][] = [
      [{ type: '' }, /`type`/],
      [{ type: 't', data: 'x'.repeat(101) }, { code: 'PUBLISH_TOO_LARGE' }],
      [{ type: 't', source: '/other' }, /`source`/],
      [{ type: 't', extensions: { sequence: 1 } }, /`sequence`/],
      [{ type: 't', headers: { wrong: Symbol('wrong') as never } }, /Header `wrong`/],
      [{ type: 't', headers: { deep: [{ wrong: 1n as never }] } }, /Header/],
    ]
    for (const [event, error] of refused) await assert.rejects(tx.add(event), error)
    await tx.add({
      type: 't',
      id: 'kept',
      source: '/sales',
      headers: { bytes: Buffer.from([0, 255]), n: 1.5 },
    })
    await tx.commit()
    const session = await acquired(t, desk.rows)
    assert.deepEqual(idsOf(await session.page(all)), ['1 kept'])
  })

  check('a page ends at its limit, or with the body that reaches its size', async (t) => {
    const desk = await openDesk(t, options)
    const session = await acquired(t, desk.rows)
    const tx = await desk.begin()
    for (let n = 1; n <= 9; n++) await tx.add({ type: 't', id: `${n}`, data: Buffer.alloc(100, n) })
    await tx.commit()
    const page = async (more: object) => idsOf(await session.page({ ...all, ...more }))
    assert.deepEqual(await page({ after: 3, limit: 2 }), ['4 4', '5 5'])
    assert.deepEqual(await page({ bytesMax: 250 }), ['1 1', '2 2', '3 3'])
    assert.deepEqual(await page({ after: 8, bytesMax: 1 }), ['9 9'])
    assert.deepEqual(await page({ after: 9 }), [])
    const [, second] = await session.page(all)
    assert.deepEqual(Buffer.from(second!.body), Buffer.alloc(100, 2))
  })

  check('one at a time has the outbox, and the next one once it is released', async (t) => {
    const desk = await openDesk(t, options)
    const other = await desk.reopen()
    const first = (await desk.rows.acquire())!
    assert.equal(await other.rows.acquire(), undefined)
    await first.release()
    const second = (await other.rows.acquire())!
    assert.equal(await desk.rows.acquire(), undefined)
    await second.release()
  })

  check('a commit is told of, without being asked for', async (t) => {
    const desk = await openDesk(t, options)
    const session = await acquired(t, desk.rows)
    let told = 0
    await session.onCommit(() => {
      told += 1
    })
    await commit(desk, 'a')
    await until('the commit is told of', () => told > 0)
  })

  check('each exchange has an outbox of its own in the database, and each outbox one source', async (t) => {
    const desk = await openDesk(t, options)
    await commit(desk, 'a')
    const other = await desk.reopen({ exchange: 'returns', source: '/returns' })
    await commit(other, 'b')
    assert.deepEqual(idsOf(await (await acquired(t, other.rows)).page(all)), ['1 b'])
    assert.deepEqual(idsOf(await (await acquired(t, desk.rows)).page(all)), ['1 a'])
    assert.equal((await desk.reopen({ source: undefined })).source, '/sales')
    for (const settings of [{ source: '/other' }, { exchange: 'unknown', source: undefined }])
      await assert.rejects(desk.reopen(settings), { code: 'PUBLISH_OUTBOX_FOREIGN' })
  })
}

async function commit(desk: Desk, ...ids: string[]): Promise<void> {
  const tx = await desk.begin()
  for (const id of ids) assert.deepEqual(await tx.add({ type: 't', id }), { id })
  await tx.commit()
}

async function roll(desk: Desk, id: string): Promise<void> {
  const tx = await desk.begin()
  await tx.add({ type: 't', id })
  await tx.rollback()
}

async function acquired(t: TestContext, rows: OutboxRows): Promise<OutboxSession> {
  const session = await rows.acquire()
  assert.ok(session !== undefined)
  t.after(() => session.release())
  return session
}

function idsOf(page: readonly OutboxRow[]): string[] {
  return page.map(({ sequence, id }) => `${sequence} ${id}`)
}

async function headOf(session: OutboxSession): Promise<Omit<OutboxHead, 'epoch'>> {
  const { sequence, first } = await session.head()
  return { sequence, first }
}
