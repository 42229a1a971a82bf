/**
 * The story of the demo, on real processes: Sales publishes, the recorder keeps, Production is there from
 * the start, Shipping joins late, Production is killed and comes back; then the books are compared.
 */
import { join } from 'node:path'
import { reconcile } from '../../edison/reconcile.ts'
import { openHistory, type RecorderStatus } from '../../index.ts'
import { Actor } from './actor.ts'
import type { ConsumerReport } from './consumer-actor.ts'
import type { Narrator } from './narrator.ts'
import { addCounts, type OrderCounts, sale } from './sale.ts'

export interface Stage {
  readonly broker: string
  readonly exchange: string
  /** Folder for the databases. */
  readonly folder: string
  /** The order book, and how many lines it has. */
  readonly book: string
  readonly lines: number
  readonly narrator: Narrator
}

export interface ConsumerOutcome {
  readonly phase: string
  readonly cursor: number
  readonly applied: number
  readonly replayed: number
  readonly live: number
  readonly duplicates: number
  readonly checksum: string
}

export interface Outcome {
  readonly orders: OrderCounts
  readonly history: { readonly head: number; readonly checksum: string }
  readonly consumers: { readonly production: ConsumerOutcome; readonly shipping: ConsumerOutcome }
  readonly ok: boolean
}

/** The second half is sold in about this time, so that there is something to join and to be killed in. */
const secondHalfSeconds = 4

export async function playStory(stage: Stage): Promise<Outcome> {
  const actors: { stop(): Promise<void> }[] = []
  const start = <Status>(name: string, program: string, settings: object) => {
    const actor = new Actor<Status>(name, {
      program,
      settings: { ...stage, narrator: undefined, ...settings },
    })
    actors.push(actor)
    return actor
  }
  try {
    return await play(stage, start)
  } finally {
    await Promise.all(actors.map((actor) => actor.stop()))
  }
}

type Start = <Status>(name: string, program: string, settings: object) => Actor<Status>

async function play(stage: Stage, start: Start): Promise<Outcome> {
  const { exchange, folder, lines, narrator } = stage
  const history = join(folder, 'history.db')
  const consumer = (name: string) =>
    start<ConsumerReport>(name, './consumer-actor.ts', {
      module: new URL(`../../edison/${name}/consumer.ts`, import.meta.url).href,
      history,
      store: join(folder, `${name}.db`),
    })
  const sell = (options: { fromLine: number; toLine: number; rate?: number }) =>
    sale({ ...stage, database: join(folder, 'sales.db'), ...options })

  narrator.step('The recorder and Production start')
  const recorder = start<RecorderStatus>('recorder', './recorder-actor.ts', { history })
  let production = consumer('production')
  await recorder.until(({ state }) => state === 'recording')
  await production.until(({ phase }) => phase === 'live')
  narrator.say(`The recorder keeps every event of exchange ${exchange} in ${history}.`)
  narrator.say('Production is live on its own queue: an empty history is replayed in no time.')

  const half = Math.ceil(lines / 2)
  narrator.step(`Sales sells the first half of the book, lines 1 to ${half}`)
  const first = half > 0 ? await sell({ fromLine: 1, toLine: half }) : nothing
  narrator.say(inWords(first))
  await recorder.until(({ head }) => head === events(first))
  narrator.say(`The history holds ${events(first)} events. RabbitMQ itself has forgotten them by now.`)

  narrator.step('Shipping joins late, while Sales goes on selling')
  const rest = Math.max(lines - half, 1)
  const selling =
    half < lines
      ? sell({ fromLine: half + 1, toLine: lines, rate: Math.ceil(rest / secondHalfSeconds) })
      : Promise.resolve(nothing)
  // Told where it is awaited.
  selling.catch(() => {})
  const shipping = consumer('shipping')
  const joined = await shipping.until(({ phase }) => phase === 'live')
  narrator.say(`Its queue was bound first, then a fence was sent through the history queue.`)
  narrator.say(`It replayed ${joined.replayed} events up to the fence and went live on its queue, mid-sale.`)

  narrator.step('Production is killed (SIGKILL) and comes back')
  const died = production.status
  await production.kill()
  narrator.say(
    `It died in phase ${died?.phase}, with ${died?.applied} events applied. Its queue keeps what comes.`,
  )
  production = consumer('production')
  const back = await production.until(({ phase }) => phase === 'live')
  narrator.say(
    `It came back at position ${back.cursor}: the inbox and the cursor had committed with its tables.`,
  )

  narrator.step('Sales sells the rest; everyone gets level')
  const orders = addCounts(first, await selling)
  narrator.say(`In all: ${inWords(orders)}`)
  const isLevel = ({ certificate }: ConsumerReport) =>
    certificate?.cursor === events(orders) && certificate.beyond === 0
  const reports = { production: await production.until(isLevel), shipping: await shipping.until(isLevel) }
  return await judge(stage, { orders, reports, history })
}

async function judge(
  { book, folder, narrator }: Stage,
  {
    orders,
    reports,
    history,
  }: {
    orders: OrderCounts
    reports: { production: ConsumerReport; shipping: ConsumerReport }
    history: string
  },
): Promise<Outcome> {
  const reader = openHistory({ history })
  const summary = await reader.summary().finally(() => reader.close())
  const consumers = { production: toOutcome(reports.production), shipping: toOutcome(reports.shipping) }
  narrator.step('Certificates')
  narrator.table([
    ['', 'position', 'applied', 'replayed', 'live', 'duplicates', 'checksum'],
    ['history', summary.position, '', '', '', '', summary.checksum],
    ...Object.entries(consumers).map(([name, { cursor, applied, replayed, live, duplicates, checksum }]) => [
      name,
      cursor,
      applied,
      replayed,
      live,
      duplicates,
      checksum,
    ]),
  ])
  narrator.step('The reckoning: the tables of both against the order book itself')
  const reckoning = reconcile({
    book,
    production: join(folder, 'production.db'),
    shipping: join(folder, 'shipping.db'),
  })
  narrator.say(
    `${reckoning.rows} orders must be built and delivered; ${reckoning.differenceCount} differences.`,
  )
  for (const difference of reckoning.differences) narrator.say(`- ${difference}`)
  const isCounted = Object.entries(reckoning.orders).every(
    ([name, count]) => orders[name as keyof OrderCounts] === count,
  )
  if (!isCounted)
    narrator.say(`- sales counted ${inWords(orders)}; the book has ${inWords(reckoning.orders)}`)
  const ok =
    reckoning.ok &&
    isCounted &&
    summary.count === events(reckoning.orders) &&
    Object.values(reports).every(({ certificate }) => certificate?.level === true) &&
    Object.values(consumers).every(
      ({ checksum, applied }) => checksum === summary.checksum && applied === summary.count,
    )
  return { orders, history: { head: summary.position, checksum: summary.checksum }, consumers, ok }
}

function toOutcome({
  phase,
  cursor,
  applied,
  replayed,
  live,
  duplicates,
  certificate,
}: ConsumerReport): ConsumerOutcome {
  return { phase, cursor, applied, replayed, live, duplicates, checksum: certificate?.checksum ?? '' }
}

const nothing: OrderCounts = { lines: 0, blank: 0, placed: 0, cancelled: 0, alreadySold: 0, rejected: 0 }

/** Each placed order and each cancellation is an event. */
function events({ placed, cancelled }: OrderCounts): number {
  return placed + cancelled
}

function inWords({ lines, blank, placed, cancelled, alreadySold, rejected }: OrderCounts): string {
  return `${lines} lines: ${placed} placed, ${cancelled} cancelled, ${alreadySold} already sold, ${rejected} rejected, ${blank} blank`
}
