/**
 * A consumer's definition: what it listens to and what it does, without saying where anything is.
 */
import { requireExchangeName, requirePartitions } from '../broker/index.ts'
import {
  type Catalog,
  type CloudEvent,
  compilePattern,
  type DataOf,
  EventError,
  type EventType,
  type Logger,
} from '../events/index.ts'
import type { Erasure, PostgresClient, SqliteDatabase, StoredEvent } from '../history/index.ts'

/** What `prepare` is given, by the kind of store. */
export type StoreDatabase = SqliteDatabase | PostgresClient

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
 * after the other. A throw rolls the transaction back: the event is tried again, then parked.
 */
export type Handler<Type extends string, Data, Tx> = (
  event: CloudEvent<Type, Data>,
  context: HandlerContext<Tx>,
) => unknown

export interface ReactContext {
  /** The event's place in the history; undefined where it came from the live queue. */
  readonly position: number | undefined
  /** 1 at the first try of this event by this process. */
  readonly attempt: number
  /** Aborted when the consumer is told to stop. */
  readonly signal: AbortSignal
  readonly logger: Logger
}

/**
 * An event's outside effect: mail, HTTP, a publish. Runs after the commit, for events from the time on that
 * the consumer first went live, at least once: the event's identity is what makes it safe to repeat. Those
 * of one subject run in order, others beside each other.
 */
export type Reaction<Type extends string, Data> = (
  event: CloudEvent<Type, Data>,
  context: ReactContext,
) => unknown

/** A handler in two parts, either of which may be left out. */
export interface TwoPartHandler<Type extends string, Data, Tx> {
  /** Writes to the store, in replay and live. */
  readonly apply?: Handler<Type, Data, Tx>
  readonly react?: Reaction<Type, Data>
  /** In place of the consumer's own, for this type. */
  readonly retry?: RetryPolicy
}

export interface ErasureContext<Tx> {
  /** As a handler's: what is written here commits together with the mark that the consumer was told. */
  readonly tx: Tx
  /** The erased events, in position order: identity, type, subject and time are what is left of them. */
  events(): AsyncIterable<StoredEvent>
  /** Aborted when the consumer is told to stop. */
  readonly signal: AbortSignal
  readonly logger: Logger
}

/** Removes what the store has of events that were erased. A promise that it returns is awaited. */
export type ErasureHandler<Tx> = (erasure: Erasure, context: ErasureContext<Tx>) => unknown

/** Handlers by event type; `*` takes what no other does. Events without a handler have no effect. */
export type Handlers<Events extends Catalog, Tx> = {
  readonly [Type in (keyof Events & string) | '*']?: EitherHandler<
    // Without a catalog, and for `*`, a type may be any text.
    string extends keyof Events ? string : Type extends '*' ? string : Type,
    Type extends keyof Events ? DataOf<Events[Type]> : unknown,
    Tx
  >
}

type EitherHandler<Type extends string, Data, Tx> =
  | PlainHandler<Type, Data, Tx>
  | TwoPartHandler<Type, Data, Tx>

/**
 * A handler that is a function. Each function has an `apply`, which the compiler would take for ours when it
 * looks what the arguments of a handler in two parts are: it is hidden by one of the same kind.
 */
interface PlainHandler<Type extends string, Data, Tx> {
  (event: CloudEvent<Type, Data>, context: HandlerContext<Tx>): unknown
  readonly apply?: Handler<Type, Data, Tx>
}

/** How often a failing handler is tried, in place, before its event is parked. */
export interface RetryPolicy {
  /** Tries in all. Default 5. */
  readonly attempts?: number
  /** Wait before the second try, in milliseconds; doubles with each further one. Default 100. */
  readonly backoffMs?: number
  /** Longest wait between two tries, in milliseconds. Default 10,000. */
  readonly backoffMsMax?: number
}

/** What becomes of an event whose handler keeps failing. */
export interface ParkingPolicy {
  /** Whether later events of its subject wait behind it, so that they keep their order. Default true. */
  readonly holdSubject?: boolean
  /** Deaths of the process in one event until it is parked. Default 3. */
  readonly crashesMax?: number
  /**
   * Waits before a parked event is tried again by itself, in milliseconds: before the first time, the
   * second, and so on, the last for all that follow; 10 at least. Default: none; it is tried again when asked.
   */
  readonly retryAfterMs?: readonly number[]
}

export interface ConsumerDefinition<
  Events extends Catalog = Catalog,
  Tx = SqliteDatabase,
  Database extends StoreDatabase = SqliteDatabase,
> {
  /** Names the consumer, its queue `<exchange>.<name>` and its rows in the store. */
  readonly name: string
  readonly exchange: string
  /** The event types of the exchange; types the handlers. */
  readonly events?: Events
  /**
   * Makes tables and prepares statements. What it returns is each handler's `tx`; default: the database
   * itself. The type of its parameter says which kind of store this consumer is written for: SQLite, unless
   * it is a `PostgresClient`. Called when the store is opened, and in PostgreSQL again for each new
   * connection, by the instance that works, outside of a transaction.
   */
  prepare?(database: Database): Tx | Promise<Tx>
  /**
   * Which events the handlers are for: an event pattern, as JSON or its text. It sees what was published as a line
   * of CloudEvents JSON says it (docs/move.md), without what the history adds, `position` and `recordedtime`; a
   * JSON body is in `data`, whatever white space it has. An event that does not match is passed, as one of a type
   * without a handler. Default: every event.
   */
  readonly pattern?: object | string
  readonly on: Handlers<Events, Tx>
  /**
   * Called once for each erasure from the consumer's first start on, when all of its events were applied or
   * passed over; in order, in a transaction. A later event of the subject may have been applied by then: what
   * is to go is what `events()` names. A throw rolls it back, and it is called again some seconds later;
   * events go on being applied.
   */
  onErased?(erasure: Erasure, context: ErasureContext<Tx>): unknown
  readonly retry?: RetryPolicy
  /** Default: parked events hold their subject. `false`: the consumer stops instead, at the event. */
  readonly parking?: ParkingPolicy | false
  /**
   * Messages that wait in the consumer's queue, at most: for one that may be away for long. RabbitMQ drops
   * the oldest, and they come from the history instead, which for one that is live means late: behind later
   * events of their source. A queue's limit is set when it is first declared. Default: no limit, nothing is
   * dropped.
   */
  readonly queueLengthMax?: number
  /**
   * How many partitions the exchange was parted into when it was recorded: a queue and a cursor for each. On
   * PostgreSQL the instances share them. Default: none.
   */
  readonly partitions?: number | undefined
}

/** Any catalog: event types whose data is unknown. */
type Untyped = { readonly [type: string]: EventType<unknown> }

/**
 * Defines a consumer. `prepare` stands before `on`, so that the compiler knows `tx` when it gets there.
 *
 * @throws TypeError for a name that cannot be one, handlers that are no functions, or a pattern that is none.
 */
export function defineConsumer<
  const Events extends Catalog = Untyped,
  Tx = SqliteDatabase,
  Database extends StoreDatabase = SqliteDatabase,
>(definition: ConsumerDefinition<Events, Tx, Database>): ConsumerDefinition<Events, Tx, Database> {
  checkDefinition(definition)
  return definition
}

/** The policy with its defaults. @throws TypeError for a number out of its range. */
export function resolveRetry({ attempts = 5, backoffMs = 100, backoffMsMax = 10_000 }: RetryPolicy = {}) {
  requireInteger('retry.attempts', attempts, 1)
  requireInteger('retry.backoffMs', backoffMs, 0)
  requireInteger('retry.backoffMsMax', backoffMsMax, 0)
  return { attempts, backoffMs, backoffMsMax }
}

/** The policy with its defaults; undefined where nothing is parked. @throws TypeError as `resolveRetry`. */
export function resolveParking(policy: ParkingPolicy | false = {}): Required<ParkingPolicy> | undefined {
  if (policy === false) return undefined
  const { holdSubject = true, crashesMax = 3, retryAfterMs = [] } = policy
  requireInteger('parking.crashesMax', crashesMax, 1)
  // Less would try one that goes on failing without a pause.
  for (const waitMs of retryAfterMs) requireInteger('parking.retryAfterMs', waitMs, 10)
  return { holdSubject, crashesMax, retryAfterMs }
}

function requireInteger(name: string, value: unknown, min: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value < 2 ** 31) return
  throw new TypeError(`Expected \`${name}\` to be an integer from ${min} to 2147483647, got ${value}`)
}

/** Names that the exchange's own queues have. */
const reservedNames = ['history', 'dead']

export function checkDefinition({
  name,
  exchange,
  on,
  pattern,
  onErased,
  queueLengthMax,
  partitions,
}: {
  name: unknown
  exchange: unknown
  on: unknown
  pattern?: unknown
  onErased?: unknown
  queueLengthMax?: unknown
  partitions?: unknown
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
  requireExchangeName(exchange, { consumer: name })
  if (typeof on !== 'object' || on === null)
    throw new TypeError('Expected `on` to hold a handler for each event type')
  for (const [type, handler] of Object.entries(on)) checkHandler(type, handler)
  if (pattern !== undefined) checkPattern(pattern)
  if (onErased !== undefined && typeof onErased !== 'function')
    throw new TypeError('Expected `onErased` to be a function')
  if (queueLengthMax !== undefined) requireInteger('queueLengthMax', queueLengthMax, 1)
  if (partitions !== undefined) requirePartitions(partitions)
}

function checkPattern(pattern: unknown): void {
  try {
    compilePattern(pattern)
  } catch (cause) {
    if (!(cause instanceof EventError)) throw cause
    throw new TypeError(`Expected \`pattern\` to be an event pattern: ${cause.message}`, { cause })
  }
}

function checkHandler(type: string, handler: unknown): void {
  if (typeof handler === 'function') return
  const { apply, react } = (handler ?? {}) as { apply?: unknown; react?: unknown }
  const parts = [apply, react].filter((part) => part !== undefined)
  if (parts.length > 0 && parts.every((part) => typeof part === 'function')) return
  throw new TypeError(
    `Expected \`on['${type}']\` to be a function, or to have functions \`apply\` or \`react\``,
  )
}
