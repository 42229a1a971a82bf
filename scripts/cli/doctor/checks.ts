/** The checks for what a command line names: where each part is, and how it is looked at. */
import type { TopologyToDeclare } from '../../../broker/index.ts'
import type { HistoryReader } from '../../../history/index.ts'
import type { Cli } from '../cli.ts'
import { loadConsumers } from '../load-consumers.ts'
import { openReader } from '../open-history.ts'
import { storeAddress } from '../store-address.ts'
import { brokerCheck } from './broker-check.ts'
import { postgresClockCheck } from './clock-check.ts'
import { diskCheck } from './disk-check.ts'
import type { Check } from './examination.ts'
import { historyCheck } from './history-check.ts'
import { type Driver, programCheck } from './program-check.ts'
import { storeCheck } from './store-check.ts'

export interface Patient {
  readonly broker: string | undefined
  readonly management: string | undefined
  readonly histories: readonly (string | undefined)[]
  readonly stores: readonly string[]
  readonly exchanges: readonly string[]
  readonly consumers: readonly string[]
  readonly timeoutMs: number
}

/** @throws CliError for settings and modules that cannot be read. */
export async function checksFor(cli: Cli, patient: Patient): Promise<Check[]> {
  const { broker, management, timeoutMs } = patient
  const histories = await Promise.all(patient.histories.map((history) => placeOfHistory(cli, history)))
  const stores = await Promise.all(patient.stores.map((store) => placeOfStore(cli, store)))
  const heads = new Heads(histories)
  const databases = [...histories, ...stores].filter(({ isPostgres }) => isPostgres)
  const usesPostgres = databases.length > 0
  const usesSqlite = [...histories, ...stores].some(({ path }) => path !== undefined)
  return [
    programCheck({ version: process.version, drivers: await driversFor({ usesPostgres, usesSqlite }) }),
    brokerCheck({
      urls: (await cli.broker(broker)).value,
      management: cli.management(management),
      topologies: await topologiesOf(cli, patient),
      exchanges: () => heads.exchanges({ timeoutMs: timeoutMs / 2 }),
      timeoutMs,
    }),
    ...histories.flatMap((history) => [
      historyCheck(history),
      ...(history.path === undefined ? [] : [historyDiskCheck(history.path, history.open)]),
    ]),
    ...stores.flatMap(({ shown, address, path }) => [
      storeCheck({ shown, read: () => readStoreAt(address), headOf: (exchange) => heads.of(exchange) }),
      ...(path === undefined ? [] : [diskCheck({ path })]),
    ]),
    ...databases.map(({ address, shown }) => postgresClockCheck({ url: address, shown })),
  ]
}

interface Place {
  readonly address: string
  /** Without user and password. */
  readonly shown: string
  /** Of a SQLite file. */
  readonly path: string | undefined
  readonly isPostgres: boolean
}

type HistoryPlace = Place & { open(): Promise<HistoryReader> }

async function placeOfHistory(cli: Cli, typed: string | undefined): Promise<HistoryPlace> {
  const { value: address } = await cli.history(typed)
  return { ...(await placeOf(address)), open: () => openReader(cli, { history: address }) }
}

async function placeOfStore(cli: Cli, typed: string): Promise<Place> {
  return await placeOf(await storeAddress(cli, typed))
}

async function placeOf(address: string): Promise<Place> {
  const { isFeedUrl, isPostgresUrl, shownAddress } = await import('../../../history/index.ts')
  const isPostgres = isPostgresUrl(address)
  if (isPostgres) return { address, shown: shownAddress(address), path: undefined, isPostgres }
  if (!isFeedUrl(address)) return { address, shown: address, path: address, isPostgres }
  const { redactUrl } = await import('../../../broker/index.ts')
  return { address, shown: redactUrl(address), path: undefined, isPostgres }
}

async function driversFor({
  usesPostgres,
  usesSqlite,
}: {
  usesPostgres: boolean
  usesSqlite: boolean
}): Promise<Driver[]> {
  const { loadPostgres, loadSqlite } = await import('../../../history/index.ts')
  return [
    { name: 'better-sqlite3', isNeeded: usesSqlite, load: loadSqlite },
    { name: 'pg', isNeeded: usesPostgres, load: loadPostgres },
  ]
}

async function readStoreAt(address: string) {
  const { readStore } = await import('../../../consumers/index.ts')
  return await readStore(address)
}

/** What the broker should have: the exchanges that were named, and those of the consumers' modules. */
async function topologiesOf(
  cli: Cli,
  { exchanges, consumers }: Pick<Patient, 'exchanges' | 'consumers'>,
): Promise<TopologyToDeclare[]> {
  const { consumerQueueOf } = await import('../../../broker/index.ts')
  const queues = new Map(exchanges.map((exchange) => [exchange, new Map<string, number | undefined>()]))
  for (const file of consumers) {
    for (const { exchange, name, queueLengthMax } of await loadConsumers(cli.path(file))) {
      const ofExchange = queues.get(exchange) ?? new Map<string, number | undefined>()
      queues.set(exchange, ofExchange.set(consumerQueueOf(exchange, name), queueLengthMax))
    }
  }
  return [...queues].map(([exchange, ofExchange]) => ({
    exchange,
    queues: [...ofExchange].map(([name, lengthMax]) => ({ name, lengthMax })),
  }))
}

function historyDiskCheck(path: string, open: HistoryPlace['open']): Check {
  return diskCheck({
    path,
    growth: () => growthOf(open),
    async lacksReserve() {
      const { lacksReserve } = await import('../../../history/index.ts')
      return await lacksReserve(path)
    },
  })
}

async function growthOf(open: HistoryPlace['open']) {
  const { positionAt } = await import('../../../history/index.ts')
  const reader = await open()
  try {
    const { head } = await reader.bounds()
    const yesterday = new Date(Date.now() - 86_400_000)
    return { lastDay: head + 1 - (await positionAt(reader, yesterday)), all: head }
  } catch {
    // Why it cannot be read is the finding of the history's own check.
    return undefined
  } finally {
    await reader.close()
  }
}

/** What the histories tell the other checks; one that cannot be read tells nothing. */
class Heads {
  readonly #histories: readonly HistoryPlace[]

  constructor(histories: readonly HistoryPlace[]) {
    this.#histories = histories
  }

  async exchanges({ timeoutMs }: { timeoutMs: number }): Promise<string[]> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<(string | undefined)[]>((resolve) => {
      timer = setTimeout(() => resolve([]), timeoutMs)
    })
    const read = Promise.all(this.#histories.map((history) => tellOf(history, (reader) => reader.exchange())))
    const found = await Promise.race([read, late])
    clearTimeout(timer)
    return found.filter((exchange) => exchange !== undefined)
  }

  async of(exchange: string): Promise<number | undefined> {
    for (const history of this.#histories) {
      const found = await tellOf(history, async (reader) => ({
        exchange: await reader.exchange(),
        head: (await reader.bounds()).head,
      }))
      if (found?.exchange === exchange) return found.head
    }
    return undefined
  }
}

async function tellOf<Told>(
  { open }: HistoryPlace,
  ask: (reader: HistoryReader) => Promise<Told>,
): Promise<Told | undefined> {
  const reader = await open()
  try {
    return await ask(reader)
  } catch {
    return undefined
  } finally {
    await reader.close()
  }
}
