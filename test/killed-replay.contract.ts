/**
 * The crash matrix of storage: a replay that is killed again and again, and goes on, leaves the tables, failures
 * and counts of one that never was; so does the retry of its failures.
 *
 * Some customers are not there in the first pass, so that events of theirs fail, and those behind them wait. All
 * but one come before the second, which goes over those failures.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SqlPlace, TableShape } from '../replay/actions/sql/sql-storage.contract.ts'
import { RunFolder } from '../replay/index.ts'
import type { TallyState } from '../replay/run/tally.ts'
import { Random } from '../scripts/chaos/random.ts'
import { builtProgram } from './fixtures/built-program.ts'
import { startCommand } from './fixtures/program.ts'

const customers = Array.from({ length: 12 }, (_, at) => `c${at}`)
const lateCustomers = ['c1', 'c3']
const missingCustomer = 'c5'
const orders = 60
/** Enough for some transactions, or a checkpoint. */
const killWithinMs = 200
const shape: TableShape = {
  columns: { id: 'text', customer: 'text', total: 'integer' },
  key: ['id'],
  references: { column: 'customer', table: 'customers' },
}

interface Kills {
  readonly random: Random
  /** Counted down. */
  left: number
}

export function killedReplayContract(
  name: string,
  openPlace: (t: TestContext) => Promise<SqlPlace>,
  { kills, events, seed }: { kills: number; events: number; seed: number },
): void {
  for (const [what, pass] of [
    ['a replay', 1],
    ['a retry of failures', 2],
  ] as const) {
    const title = `${what} that is killed ${kills} times leaves what one never killed does (seed ${seed})`
    test(`${name}: ${title}`, async (t) => {
      const place = await openPlace(t)
      await makeTables(place)
      const folder = mkdtempSync(join(tmpdir(), 'backstory-killed-'))
      t.after(() => rmSync(folder, { recursive: true, force: true }))
      const file = join(folder, 'orders.jsonl')
      writeFileSync(file, orderLines(events))
      const expected = await run(t, place, { file, folder: join(folder, 'whole'), passes: pass })
      assert.equal(expected.failed > 0 && expected.rows.length > orders / 2, true)
      const killing: Kills = { random: new Random(seed + pass), left: kills }
      for (let number = 1; killing.left > 0; number += 1) {
        const again = join(folder, `run-${number}`)
        assert.deepEqual(await run(t, place, { file, folder: again, passes: pass, killing }), expected)
        t.diagnostic(`${kills - killing.left} kills in ${number} runs`)
      }
    })
  }
}

/** The passes one after the other, the last of them under kills. */
async function run(
  t: TestContext,
  place: SqlPlace,
  { file, folder, passes, killing }: { file: string; folder: string; passes: 1 | 2; killing?: Kills },
): Promise<{ rows: object[]; failures: string; failed: number; counts: object }> {
  const execute = async (statement: string) => await place.run({ statement, parameters: [] })
  await execute('DELETE FROM orders')
  await execute('DELETE FROM customers')
  await execute(
    `INSERT INTO customers VALUES ${rowsOf(customers.filter((id) => id !== missingCustomer && !lateCustomers.includes(id)))}`,
  )
  let tally: TallyState | undefined
  for (let pass = 1; pass <= passes; pass += 1) {
    if (pass === 2) await execute(`INSERT INTO customers VALUES ${rowsOf(lateCustomers)}`)
    const from = pass === 1 ? file : RunFolder.failuresOf(folder, pass - 1)
    const options = { from, to: { address: place.address, ...target }, folder, pass }
    tally = await untilDone(t, options, pass === passes ? killing : undefined)
  }
  const { read, picked, failedEvents: failed, checksum, rules } = tally!
  return {
    rows: await place.read('orders', shape),
    failures: readFileSync(RunFolder.failuresOf(folder, passes), 'utf8'),
    failed,
    counts: { read, picked, checksum, rules },
  }
}

/** Starts it again as often as it is killed. */
async function untilDone(t: TestContext, options: object, killing: Kills | undefined): Promise<TallyState> {
  const file = await builtProgram('storage-replay')
  for (;;) {
    const program = startCommand<Told>(t, 'replay', [process.execPath, file, JSON.stringify(options)])
    if (killing !== undefined && killing.left > 0) {
      // At its beginning, or in the round behind a checkpoint of its own.
      const rounds = killing.random.between(0, 1)
      await program.until('it is under way', (told) => told.rounds >= rounds || told.state === 'done')
      await sleep(killing.random.between(0, killWithinMs))
      if (program.report!.state === 'begun') {
        killing.left -= 1
        await program.kill()
        continue
      }
    }
    return (await program.until('it is done', ({ state }) => state === 'done')).tally!
  }
}

interface Told {
  readonly state: 'begun' | 'done'
  /** Checkpoints of this process. */
  readonly rounds: number
  readonly tally?: TallyState
}

/** Small transactions, so that there are many moments. */
const target = {
  table: 'orders',
  key: 'id',
  columns: { id: '$.subject', customer: '$.data.customer', total: '$.data.total' },
  batchRows: 25,
}

async function makeTables(place: SqlPlace): Promise<void> {
  await place.makeTable('customers', { columns: { id: 'text' }, key: ['id'] })
  await place.makeTable('orders', shape)
}

function rowsOf(ids: readonly string[]): string {
  return ids.map((id) => `('${id}')`).join(', ')
}

/** Each order changes again and again; its last total is its row. */
function orderLines(events: number): string {
  const lines = Array.from({ length: events }, (_, at) => {
    const order = (at * 7) % orders
    const data = { customer: customers[order % customers.length]!, total: at }
    return JSON.stringify({ id: String(at), source: '/s', type: 'order.changed', subject: `o${order}`, data })
  })
  return `${lines.join('\n')}\n`
}
