/**
 * The bench behind `npm run bench`: how fast each path is, as a ratio to a peer measured beside it.
 *
 *     npm run bench                                the table
 *     npm run bench -- --rows publish,record       some rows
 *     npm run bench -- --quick --json              does it work at all
 *     npm run bench -- --rows replay --profile .   with a CPU profile of each part
 *
 * It starts a RabbitMQ of its own. A missed target is no failure: exit code 1 says that something could
 * not be measured, 2 that an option was wrong. Results go to standard output, all else to standard error.
 */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { connectBroker } from '../../broker/index.ts'
import { findBroker } from '../services/find-broker.ts'
import { Guardian } from '../services/guardian.ts'
import { describeMachine } from './machine.ts'
import { type BenchOptions, parseOptions, usage } from './options.ts'
import { bodyBytes } from './order-placed.ts'
import { measureRow, type Row, type RowName, type RowResult } from './row.ts'
import { bootstrap } from './rows/bootstrap.ts'
import { bootstrapPostgres } from './rows/bootstrap-postgres.ts'
import { feed } from './rows/feed.ts'
import { latency } from './rows/latency.ts'
import { partitionsRow } from './rows/partitions.ts'
import { partitionsPostgres } from './rows/partitions-postgres.ts'
import { patterns } from './rows/patterns.ts'
import { publish } from './rows/publish.ts'
import { record } from './rows/record.ts'
import { relay } from './rows/relay.ts'
import { replay } from './rows/replay.ts'
import { replayJson } from './rows/replay-json.ts'
import { type Report, tableOf } from './table.ts'

const rows: Record<RowName, Row> = {
  publish,
  relay,
  record,
  replay,
  bootstrap,
  'bootstrap-postgres': bootstrapPostgres,
  latency,
  feed,
  patterns,
  'replay-json': replayJson,
  partitions: partitionsRow,
  'partitions-postgres': partitionsPostgres,
}

process.exitCode = await main()

async function main(): Promise<number> {
  let options: BenchOptions | undefined
  try {
    options = parseOptions(process.argv.slice(2))
  } catch (error) {
    say(`${(error as Error).message}\n\n${usage}`)
    return 2
  }
  if (options === undefined) {
    process.stdout.write(usage)
    return 0
  }
  try {
    const report = await bench(options)
    const json = `${JSON.stringify(report, undefined, 2)}\n`
    if (options.out !== undefined) await writeFile(options.out, json)
    process.stdout.write(options.json ? json : tableOf(report))
    return 0
  } catch (error) {
    say((error as Error).message)
    return 1
  }
}

async function bench(options: BenchOptions): Promise<Report> {
  const { rounds, quick, brokerUrl } = options
  const found = await findBroker({ url: brokerUrl, preferPrivate: brokerUrl === undefined, say })
  const broker = connectBroker({ url: found.url, name: 'backstory bench' })
  try {
    const machine = await describeMachine(broker)
    const results: RowResult[] = []
    for (const name of options.rows) {
      const row = rows[name]
      const events = options.events ?? (quick ? row.events.quick : row.events.usual)
      say(`${row.path}: ${events} events a round`)
      results.push(await inFolder((folder) => measureRow(row, rowOptions(folder, events))))
    }
    return { machine, bodyBytes, rounds, quick, rows: results }
  } finally {
    await broker.close()
    await found.close()
  }

  function rowOptions(folder: string, events: number) {
    const profileDir = options.profileDir === undefined ? undefined : resolve(options.profileDir)
    return { url: found.url, broker, folder, events, quick, rounds, warmUps: quick ? 0 : 1, profileDir, say }
  }
}

/** The folder goes with this process, however that ends. */
async function inFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-bench-'))
  const guardian = new Guardian({ folder })
  try {
    return await work(folder)
  } finally {
    await guardian.end()
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
