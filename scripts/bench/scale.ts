/**
 * What many events take: recorded by the recorder from RabbitMQ while a publisher publishes, then read,
 * audited, and bootstrapped into a table, in SQLite or in PostgreSQL, each step in a process of its own.
 *
 *     npm run bench:scale                                       a million, in SQLite and in PostgreSQL
 *     npm run bench:scale -- --events 1000000,10000000 --in sqlite --json
 *     npm run bench:scale -- --by writer                        filled without RabbitMQ, which is quicker
 *
 * It runs compiled, as a user's program does: what loads TypeScript takes 60 MB a process itself. Memory is
 * flat where a step's figure for ten million is that for one. A line of figures goes to standard
 * output as soon as a step has ended, all else to standard error.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Broker, connectBroker, historyQueueOf } from '../../broker/index.ts'
import { openPostgres } from '../../history/index.ts'
import { findBroker } from '../services/find-broker.ts'
import { startPrivatePostgres } from '../services/private-postgres.ts'
import { readyIn } from './fill.ts'
import type { Round } from './part.ts'
import { PartProcess } from './part-process.ts'
import type { PartName, SetupOf } from './parts.ts'

type Database = 'sqlite' | 'postgres'

/** Published at a time, the same orders again; the next ones while less than as many wait in the queue. */
const portion = 50_000
const inFlightMax = 1_000
/** A consumer remembers younger events longer: see recorded-exchange.ts. */
const ageMs = 31_000

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    in: { type: 'string', default: 'sqlite,postgres' },
    by: { type: 'string', default: 'recorder' },
    json: { type: 'boolean', default: false },
  },
})

for (const database of values.in.split(',')) {
  if (database !== 'sqlite' && database !== 'postgres')
    throw new TypeError(`--in ${database}: sqlite or postgres`)
  for (const events of values.events.split(',').map(Number)) {
    if (!(Number.isSafeInteger(events) && events > 0)) throw new TypeError(`--events ${values.events}`)
    await measure(database, events)
  }
}

async function measure(database: Database, wanted: number): Promise<void> {
  // The publisher's first event waits for the topology, and counts.
  const events = 1 + Math.ceil(wanted / portion) * portion
  const folder = await mkdtemp(join(tmpdir(), 'backstory-scale-'))
  const found = await findBroker({ preferPrivate: true, say })
  const broker = connectBroker({ url: found.url, name: 'backstory scale' })
  const server = database === 'postgres' ? await startPrivatePostgres({ say }) : undefined
  const exchange = `scale-${randomBytes(4).toString('hex')}`
  const history = server?.url ?? join(folder, 'history.db')
  const parts: PartProcess[] = []
  const start = async <Name extends PartName>(name: Name, setup: SetupOf<Name>) => {
    const part = await PartProcess.start(name, setup, { profileDir: undefined })
    parts.push(part)
    return part
  }
  try {
    const { url } = found
    if (values.by === 'writer') {
      const writer = await start('scale-writer', { exchange, history, events })
      print({ database, events, step: 'write', round: await writer.round() })
      await writer.close()
    }
    const recorder = await start('scale-recorder', { url, exchange, history, events })
    if (values.by !== 'writer') {
      const publisher = await start('publisher', { url, exchange, events: portion, inFlightMax })
      const [recorded] = await Promise.all([
        recorder.round(),
        publishAll(publisher, { broker, queue: historyQueueOf(exchange), events }),
      ])
      await publisher.close()
      print({ database, events, step: 'record', round: recorded })
    }
    print({ database, events, step: 'size', bytesAnEvent: (await bytesOf(history)) / events })

    const consumer = { url, exchange, history, events, folder }
    for (const work of ['read', 'audit'] as const) {
      const reader = await start('scale-reader', { ...consumer, work })
      print({ database, events, step: work, round: await reader.round() })
      await reader.close()
    }
    await new Promise((resolve) => setTimeout(resolve, ageMs))
    const bootstrap = await (server === undefined
      ? start('bootstrap', consumer)
      : start('bootstrap-postgres', { ...consumer, store: server.url }))
    print({ database, events, step: 'bootstrap', round: await bootstrap.round() })
  } finally {
    for (const part of parts.reverse()) await part.close()
    await broker.close()
    await Promise.all([found.close(), server?.stop()])
    await rm(folder, { recursive: true, force: true })
  }
}

async function publishAll(
  publisher: PartProcess,
  { broker, queue, events }: { broker: Broker; queue: string; events: number },
): Promise<void> {
  for (let published = 1; published < events; published += portion) {
    while ((await readyIn(broker, queue)) > portion) await new Promise((resolve) => setTimeout(resolve, 50))
    await publisher.round()
  }
}

/** On the disk, indexes included. */
async function bytesOf(history: string): Promise<number> {
  if (!history.startsWith('postgres')) {
    const sizes = ['', '-wal'].map(
      async (suffix) => (await stat(history + suffix).catch(() => undefined))?.size,
    )
    return (await Promise.all(sizes)).reduce<number>((sum, size = 0) => sum + size, 0)
  }
  const client = await openPostgres(history, { name: 'backstory scale' })
  try {
    const { rows } = await client.query<{ bytes: string }>(
      'SELECT pg_database_size(current_database()) AS bytes',
    )
    return Number(rows[0]!.bytes)
  } finally {
    await client.end()
  }
}

interface Figures {
  readonly database: Database
  readonly events: number
  readonly step: string
  readonly round?: Round
  readonly bytesAnEvent?: number
}

function print({ database, events, step, round, bytesAnEvent }: Figures): void {
  const figures = {
    database,
    events,
    step,
    ...(round && {
      seconds: Math.round(round.ms / 100) / 10,
      eventsPerSecond: Math.round((round.events / round.ms) * 1_000),
      residentMiB: round.residentMiB,
    }),
    ...(bytesAnEvent !== undefined && { bytesAnEvent: Math.round(bytesAnEvent) }),
  }
  const cells = Object.entries(figures).map(([name, value]) => `${name} ${value.toLocaleString('en-US')}`)
  process.stdout.write(values.json ? `${JSON.stringify(figures)}\n` : `${cells.join('  ')}\n`)
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
