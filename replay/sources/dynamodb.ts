/**
 * A table of DynamoDB as a source: all of it, in segments side by side, or some of its partitions in the order of
 * their sort key.
 *
 * A scan has no order but that within a partition. Segments take turns, a page each, so that two scans of a table
 * that rests give the same order, also where one of them was killed and goes on.
 */
import { setMaxListeners } from 'node:events'
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { awsFailure } from '../aws/aws-failure.ts'
import { type AwsAddress, awsOptions, readAwsOptions } from '../aws/aws-options.ts'
import { hinted } from '../aws/opening.ts'
import { jsonOfItem } from '../dynamodb/attribute-value.ts'
import { eventOfItem } from '../dynamodb/item-event.ts'
import { itemBytes } from '../dynamodb/item-size.ts'
import {
  type OpenPart,
  type PageAnswer,
  Pages,
  type PartPage,
  type Progress,
  progressBehind,
} from '../dynamodb/pages.ts'
import { readToken, writeToken } from '../dynamodb/read-token.ts'
import { ReadUnits } from '../dynamodb/read-units.ts'
import {
  planReading,
  type Reading,
  type ReadingOptions,
  readingOptions,
  readReading,
} from '../dynamodb/reading.ts'
import { type DynamoDriver, describeTable, keyOfItem, openDynamo, type Table } from '../dynamodb/table.ts'
import { ReplayError } from '../errors.ts'
import { PluginOptions } from '../options.ts'
import type { ReplayEvent } from '../replay-event.ts'
import type { PluginTarget, Source, SourcePage, SourcePlugin, SourceSize } from '../source.ts'

export const source = {
  address: 'dynamodb:TABLE',
  summary: 'A table of DynamoDB: all of it, or some of its partitions in order',
  options: {
    event: 'Attribute that holds the event, as JSON text or as a map; default: the item is the event',
    ...readingOptions,
    readUnits: 'Read capacity units a second at most; default: no bound',
    ...awsOptions,
    timeoutMs: 'Longest wait for an answer in milliseconds; default: 30000',
  },
  create: createDynamoSource,
} satisfies SourcePlugin

/** Tries of a request: nobody else does it for a source. About half a minute of throttling. */
const maxAttempts = 10
/** Of the first: somebody waits for it. */
const opening = 2

function createDynamoSource(target: PluginTarget): Source {
  const { address, context } = target
  const table = address.slice('dynamodb:'.length)
  if (table === '') throw new TypeError('Expected the name of a table, as in dynamodb:orders')
  const options = new PluginOptions(target)
  const aws = readAwsOptions(options, { context, service: 'DYNAMODB', arn: table })
  const event = options.text('event')
  const reading = readReading(options)
  const readUnits = options.whole('readUnits', { min: 1 })
  const timeoutMs = options.whole('timeoutMs', { min: 1, max: 2_000_000 }) ?? 30_000
  options.end()
  return new DynamoSource(aws, { table, event, reading, readUnits, timeoutMs })
}

interface DynamoSourceOptions {
  readonly table: string
  readonly event: string | undefined
  readonly reading: ReadingOptions
  readonly readUnits: number | undefined
  readonly timeoutMs: number
}

class DynamoSource implements Source {
  readonly name: string
  readonly #aws: AwsAddress
  readonly #options: DynamoSourceOptions
  /** What tokens are of. */
  readonly #of: string
  readonly #closing = new AbortController()
  #driver!: DynamoDriver
  #client: DynamoDBClient | undefined
  #reading!: Reading

  constructor(aws: AwsAddress, options: DynamoSourceOptions) {
    const { table, reading } = options
    this.name = `dynamodb:${table}${reading.index === undefined ? '' : `, index ${reading.index}`}${aws.where}`
    this.#aws = aws
    this.#options = options
    const { index, keys, sort, newestFirst, segments } = reading
    this.#of = JSON.stringify([table, index, keys, sort, newestFirst, segments])
  }

  async open(): Promise<SourceSize> {
    const { table: tableName, reading, timeoutMs } = this.#options
    const { driver, client: asking } = await openDynamo(this.#aws, { timeoutMs, maxAttempts: opening })
    let table: Table
    try {
      table = await describeTable({ driver, client: asking }, tableName)
    } catch (error) {
      throw this.#unavailable(error)
    } finally {
      asking.destroy()
    }
    this.#driver = driver
    this.#client = (await openDynamo(this.#aws, { timeoutMs, maxAttempts })).client
    this.#reading = planReading(tableName, table, reading)
    const isWhole = reading.keys === undefined && reading.index === undefined
    return isWhole && table.bytes > 0 ? { bytes: table.bytes } : {}
  }

  async *read({
    after,
    signal,
  }: {
    after: string | undefined
    signal: AbortSignal
  }): AsyncGenerator<SourcePage> {
    const begin: Progress = { position: 0, begun: 0, open: [] }
    const from = after === undefined ? begin : readToken(this.#of, after)
    const stop = AbortSignal.any([signal, this.#closing.signal])
    // Each segment's request listens to it.
    setMaxListeners(0, stop)
    const units = new ReadUnits(this.#options.readUnits)
    const { parts, atOnce } = this.#reading
    const pages = new Pages({
      parts: parts.length,
      atOnce,
      from,
      ask: async (part) => await this.#page(part, { units, signal: stop }),
    })
    let bytes = 0
    try {
      for (let page = await pages.next(); page !== undefined; page = await pages.next()) {
        for (const item of page.items) bytes += itemBytes(item)
        yield { events: this.#eventsOf(page), bytes }
        if (signal.aborted) return
      }
    } catch (error) {
      if (!stop.aborted) throw error
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#client?.destroy()
    this.#client = undefined
  }

  async #page(
    { part, key, left }: OpenPart,
    { units, signal }: { readonly units: ReadUnits; readonly signal: AbortSignal },
  ): Promise<PageAnswer> {
    const { ScanCommand, QueryCommand } = this.#driver
    const { scan, query } = this.#reading.parts[part]!
    const more = {
      ReturnConsumedCapacity: 'TOTAL',
      ...(key && { ExclusiveStartKey: key }),
      ...(left !== undefined && { Limit: left }),
    } as const
    const client = this.#client!
    try {
      const { Items = [], LastEvaluatedKey } = await units.spend(
        async () =>
          scan === undefined
            ? await client.send(new QueryCommand({ ...query, ...more }), { abortSignal: signal })
            : await client.send(new ScanCommand({ ...scan, ...more }), { abortSignal: signal }),
        signal,
      )
      return { items: Items, lastKey: LastEvaluatedKey }
    } catch (error) {
      signal.throwIfAborted()
      throw this.#unavailable(error)
    }
  }

  #eventsOf(page: PartPage): ReplayEvent[] {
    const { table, event: attribute } = this.#options
    const { items, before } = page
    const indexOf = (position: number) => position - before.position - 1
    const keyAt = (position: number) => keyOfItem(items[indexOf(position)]!, this.#reading.keyNames)
    const origin = {
      placeOf: (position: number) => `${table}, item ${JSON.stringify(jsonOfItem(keyAt(position)))}`,
      tokenOf: (position: number) =>
        writeToken(this.#of, progressBehind(page, indexOf(position), keyAt(position))),
    }
    return items.map((item, at) => eventOfItem(item, before.position + at + 1, { attribute, origin }))
  }

  #unavailable(cause: unknown): ReplayError {
    const { kind, code, message } = awsFailure(cause)
    const what = kind === 'refused' ? 'cannot be read' : 'cannot be reached'
    return new ReplayError('REPLAY_SOURCE_UNAVAILABLE', `${this.name} ${what}: ${hinted(code, message)}`, {
      cause,
    })
  }
}
