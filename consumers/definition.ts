/**
 * A consumer's definition: what it listens to and what it does, without saying where anything is.
 */
import type { Catalog, CloudEvent, DataOf, EventType, Logger } from '../events/index.ts'
import type { SqliteDatabase } from '../history/index.ts'

export interface HandlerContext<Tx> {
  /**
   * What `prepare` returned (the store's open database by default), in the open transaction: what is
   * written here commits together with the mark that the event took effect, or not at all.
   */
  readonly tx: Tx
  /** True where the event comes from the history, false where it comes from the live queue. */
  readonly replayed: boolean
  /** The event's place in the history; undefined for a live event. */
  readonly position: number | undefined
  /** 1 at the first try of this event. */
  readonly attempt: number
  /** Aborted when the consumer is told to stop. */
  readonly signal: AbortSignal
  readonly logger: Logger
}

/**
 * Applies one event. A promise that it returns is awaited, anything else ignored; events are applied one
 * after the other. A throw rolls the transaction back: the event is tried again, then the consumer stops,
 * the event not applied and not lost.
 */
export type Handler<Type extends string, Data, Tx> = (
  event: CloudEvent<Type, Data>,
  context: HandlerContext<Tx>,
) => unknown

/** Handlers by event type; `*` takes what no other does. Events without a handler have no effect. */
export type Handlers<Events extends Catalog, Tx> = {
  readonly [Type in keyof Events & string]?: Handler<Type, DataOf<Events[Type]>, Tx>
} & { readonly '*'?: Handler<string, unknown, Tx> }

/** How often a failing handler is tried, in place, before the consumer stops. */
export interface RetryPolicy {
  /** Tries in all. Default 5. */
  readonly attempts?: number
  /** Wait before the second try, in milliseconds; doubles with each further one. Default 100. */
  readonly backoffMs?: number
  /** Longest wait between two tries, in milliseconds. Default 10,000. */
  readonly backoffMsMax?: number
}

export interface ConsumerDefinition<Events extends Catalog = Catalog, Tx = SqliteDatabase> {
  /** Names the consumer, its queue `<exchange>.<name>` and its rows in the store. */
  readonly name: string
  readonly exchange: string
  /** The event types of the exchange; types the handlers. */
  readonly events?: Events
  /**
   * Called once when the store is opened: makes tables and prepares statements. What it returns is each
   * handler's `tx`. Default: the database itself.
   */
  prepare?(database: SqliteDatabase): Tx | Promise<Tx>
  readonly on: Handlers<Events, Tx>
  readonly retry?: RetryPolicy
}

/** Any catalog: event types whose data is unknown. */
type Untyped = { readonly [type: string]: EventType<unknown> }

/**
 * Defines a consumer. `prepare` stands before `on`, so that the compiler knows `tx` when it gets there.
 *
 * @throws TypeError for a name that cannot be one, or handlers that are no functions.
 */
export function defineConsumer<const Events extends Catalog = Untyped, Tx = SqliteDatabase>(
  definition: ConsumerDefinition<Events, Tx>,
): ConsumerDefinition<Events, Tx> {
  checkDefinition(definition)
  return definition
}

/** The policy with its defaults. @throws TypeError for a number out of its range. */
export function resolveRetry({ attempts = 5, backoffMs = 100, backoffMsMax = 10_000 }: RetryPolicy = {}) {
  for (const [name, value, min] of [
    ['attempts', attempts, 1],
    ['backoffMs', backoffMs, 0],
    ['backoffMsMax', backoffMsMax, 0],
  ] as const) {
    if (Number.isInteger(value) && value >= min && value < 2 ** 31) continue
    throw new TypeError(`Expected \`retry.${name}\` to be an integer from ${min} to 2147483647, got ${value}`)
  }
  return { attempts, backoffMs, backoffMsMax }
}

/** Names that the exchange's own queues have. */
const reservedNames = ['history', 'dead']

export function checkDefinition({
  name,
  exchange,
  on,
}: {
  name: unknown
  exchange: unknown
  on: unknown
}): void {
  if (
    typeof name !== 'string' ||
    !/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/.test(name) ||
    reservedNames.includes(name)
  ) {
    throw new TypeError(
      `Expected \`name\` to be letters, digits, - and _ (and not ${reservedNames.join(' or ')}), got ${JSON.stringify(name)}`,
    )
  }
  if (typeof exchange !== 'string' || exchange === '')
    throw new TypeError('Expected `exchange` to name an exchange')
  if (typeof on !== 'object' || on === null)
    throw new TypeError('Expected `on` to hold a handler for each event type')
  for (const [type, handler] of Object.entries(on)) {
    if (typeof handler !== 'function') throw new TypeError(`Expected \`on['${type}']\` to be a function`)
  }
}
