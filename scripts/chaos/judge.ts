/**
 * The judgements of a chaos run: what was published, recorded and applied, compared. Each hands back what is
 * wrong, in no particular form, and nothing where all is right.
 */
import { seller, sourceOf } from './cast.ts'
import type { Account } from './ledger.ts'

export interface Event {
  readonly source: string
  readonly id: string
}

/** What the sources published, by their own accounts. */
export class Published {
  readonly accounts: ReadonlyMap<string, Account>
  /** Where each event stands among those of its source, by `keyOf`. */
  readonly places: ReadonlyMap<string, number>
  readonly confirmed: readonly string[]

  /** @param accounts - By source. */
  constructor(accounts: ReadonlyMap<string, Account>) {
    this.accounts = accounts
    this.places = new Map(
      [...accounts].flatMap(([source, { begun }]) =>
        begun.map((id, index) => [keyOf({ source, id }), index] as const),
      ),
    )
    this.confirmed = [...accounts].flatMap(([source, { confirmed }]) =>
      [...confirmed].map((id) => keyOf({ source, id })),
    )
  }

  /** Whether it was refused, and published again, perhaps behind later ones. */
  isAgain({ source, id }: Event): boolean {
    return this.accounts.get(source)?.again.has(id) === true
  }
}

const keyOf = ({ source, id }: Event) => `${source} ${id}`

export function confirmedOnce(history: readonly Event[], { confirmed, places }: Published): unknown[] {
  const counts = countsOf(history)
  return [
    ...confirmed.filter((key) => !counts.has(key)).map((key) => ({ lost: key })),
    ...[...counts].filter(([, count]) => count > 1).map(([key, count]) => ({ recorded: key, times: count })),
    ...[...counts.keys()].filter((key) => !places.has(key)).map((key) => ({ neverPublished: key })),
  ]
}

export function orderAndEvent(orders: readonly string[], history: readonly Event[]): unknown[] {
  const sold = new Set(orders)
  const published = new Set(history.filter(({ source }) => source === sourceOf(seller)).map(({ id }) => id))
  return [
    ...orders.filter((id) => !published.has(id)).map((id) => ({ orderWithoutEvent: id })),
    ...[...published].filter((id) => !sold.has(id)).map((id) => ({ eventWithoutOrder: id })),
  ]
}

/** A consumer's rows and the history's events, whatever their order. */
export function compare(own: readonly Event[], history: readonly Event[]) {
  const counts = countsOf(own)
  const known = new Set(history.map(keyOf))
  return {
    missing: [...known].filter((key) => !counts.has(key)),
    unknown: [...counts.keys()].filter((key) => !known.has(key)),
    twice: [...counts].filter(([, count]) => count > 1).map(([key]) => key),
  }
}

/** Those behind a later one of their source; what its publisher sent again after a refusal may be. */
export function outOfOrder<Row extends Event>(
  rows: readonly Row[],
  published: Published,
  /** What must be in order among itself. */
  { lineOf = ({ source }) => source }: { lineOf?: (event: Event) => string } = {},
): Row[] {
  const newest = new Map<string, number>()
  const seen = new Set<string>()
  return rows.filter((row) => {
    const key = keyOf(row)
    const place = published.places.get(key)
    if (place === undefined || seen.has(key) || published.isAgain(row)) return false
    seen.add(key)
    const line = lineOf(row)
    const isBehind = place < (newest.get(line) ?? -1)
    if (!isBehind) newest.set(line, place)
    return isBehind
  })
}

function countsOf(events: readonly Event[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const event of events) counts.set(keyOf(event), (counts.get(keyOf(event)) ?? 0) + 1)
  return counts
}
