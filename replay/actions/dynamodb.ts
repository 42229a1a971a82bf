/**
 * Writes events into a table of DynamoDB: an item each, put in the place of any that is there, inserted, or deleted.
 *
 * Puts and deletes go out 25 at a time. What DynamoDB leaves undone of them is tried again; where it refuses all of
 * them for one item's sake, each is sent alone.
 */
import type { DynamoDBClient, WriteRequest } from '@aws-sdk/client-dynamodb'
import { type Action, ActionFailure, type ActionPlugin, type Outcome, type PlannedWrite } from '../action.ts'
import { awsFailure } from '../aws/aws-failure.ts'
import { type AwsAddress, awsOptions, readAwsOptions } from '../aws/aws-options.ts'
import { askService } from '../aws/opening.ts'
import { attributeOf, type Item, isSame, shownItem } from '../dynamodb/attribute-value.ts'
import { itemBytes, itemBytesMax } from '../dynamodb/item-size.ts'
import {
  type DynamoDriver,
  describeTable,
  keyOfItem,
  keyText,
  namesOf,
  openDynamo,
} from '../dynamodb/table.ts'
import { readWriteOptions, type WriteOptions, writeOptions } from '../dynamodb/write-options.ts'
import { ReplayError } from '../errors.ts'
import { PluginOptions } from '../options.ts'
import type { ReplayEvent } from '../replay-event.ts'
import type { PluginTarget } from '../source.ts'

export const action = {
  address: 'dynamodb:TABLE',
  summary: 'Puts, inserts or deletes an item of a DynamoDB table for each event',
  options: {
    ...writeOptions,
    ...awsOptions,
    timeoutMs: 'Longest wait for an answer in milliseconds; default: 30000',
  },
  create: createDynamoAction,
} satisfies ActionPlugin

/** Of `BatchWriteItem`. */
const batchMax = 25

function createDynamoAction(target: PluginTarget): Action {
  const { address, context } = target
  const table = address.slice('dynamodb:'.length)
  if (table === '') throw new TypeError('Expected the name of a table, as in dynamodb:orders')
  const options = new PluginOptions(target)
  const aws = readAwsOptions(options, { context, service: 'DYNAMODB', arn: table })
  const write = readWriteOptions(options)
  const timeoutMs = options.whole('timeoutMs', { min: 1, max: 2_000_000 }) ?? 30_000
  options.end()
  return new DynamoAction(aws, { table, write, timeoutMs })
}

interface DynamoActionOptions {
  readonly table: string
  readonly write: WriteOptions
  readonly timeoutMs: number
}

class DynamoAction implements Action<Item> {
  readonly name: string
  readonly target: string
  readonly isLocal: boolean
  readonly isIdempotent = true
  readonly batchMax = batchMax
  readonly stopsAtFailure = false
  readonly #aws: AwsAddress
  readonly #options: DynamoActionOptions
  #driver!: DynamoDriver
  #client: DynamoDBClient | undefined
  #keyNames: readonly string[] = []

  constructor(aws: AwsAddress, options: DynamoActionOptions) {
    this.name = `${options.write.mode} dynamodb:${options.table}${aws.where}`
    this.target = `dynamodb:${options.table}${aws.where}`
    this.isLocal = aws.isLocal
    this.#aws = aws
    this.#options = options
  }

  prepare(event: ReplayEvent): Item {
    const { mapping, key } = this.#options.write
    const item: Item = {}
    for (const [at, value] of mapping.valuesOf(event).entries()) {
      const attribute = attributeOf(value)
      if (attribute !== undefined) item[mapping.names[at]!] = attribute
    }
    const absent = key?.find((name) => item[name] === undefined)
    if (absent !== undefined) throw refused(event, `has nothing for ${absent}, which is of the key`)
    const bytes = itemBytes(item)
    if (bytes > itemBytesMax)
      throw refused(event, `makes an item of ${bytes} bytes, more than the ${itemBytesMax} of DynamoDB`)
    return item
  }

  describe(item: Item): PlannedWrite {
    const { table, write } = this.#options
    const what = write.mode === 'delete' ? 'Key' : 'Item'
    return { kind: 'call', to: this.name, input: { TableName: table, [what]: shownItem(item) } }
  }

  async open(): Promise<void> {
    const { table: name, write } = this.#options
    const { driver, client } = await openDynamo(this.#aws, this.#options)
    this.#driver = driver
    this.#client = client
    const table = await askService(this.name, async () => await describeTable({ driver, client }, name))
    this.#keyNames = namesOf(table.key)
    const told = write.key ?? this.#keyNames
    const isKey = told.length === this.#keyNames.length && told.every((one) => this.#keyNames.includes(one))
    if (isKey && this.#keyNames.every((one) => write.mapping.names.includes(one))) return
    throw new ReplayError(
      'REPLAY_ACTION_INVALID',
      `The key of ${name} is ${this.#keyNames.join(' and ')}: map \`columns\` to it${write.key ? ', and name it as `key`' : ''}`,
    )
  }

  async act(batch: readonly Item[], { signal }: { readonly signal: AbortSignal }): Promise<Outcome[]> {
    const outcomes: Outcome[] = []
    // Of keys whose write is to be tried again: what follows for the same key waits, or it would be undone.
    const waiting = new Map<string, ActionFailure>()
    while (outcomes.length < batch.length) {
      const items = this.#distinct(batch.slice(outcomes.length))
      const told = await this.#write(items, { waiting, signal })
      for (const [at, outcome] of told.entries()) {
        outcomes.push(outcome)
        if (outcome instanceof ActionFailure && outcome.kind !== 'refused')
          waiting.set(this.#keyOf(items[at]!), outcome)
      }
    }
    return outcomes
  }

  async close(): Promise<void> {
    this.#client?.destroy()
    this.#client = undefined
  }

  #keyOf(item: Item): string {
    return keyText(item, this.#keyNames)
  }

  /** The first of them, up to one whose key was there before: a batch cannot hold both. */
  #distinct(items: readonly Item[]): readonly Item[] {
    const keys = new Set<string>()
    const end = items.findIndex((item) => keys.size === keys.add(this.#keyOf(item)).size)
    return end === -1 ? items : items.slice(0, end)
  }

  async #write(
    items: readonly Item[],
    { waiting, signal }: { waiting: ReadonlyMap<string, ActionFailure>; signal: AbortSignal },
  ): Promise<Outcome[]> {
    const failures = items.map((item) => waiting.get(this.#keyOf(item)))
    const free = items.filter((_, at) => failures[at] === undefined)
    const outcomes = await this.#writeDistinct(free, signal)
    return failures.map((failure) => failure ?? outcomes.shift()!)
  }

  async #writeDistinct(items: readonly Item[], signal: AbortSignal): Promise<Outcome[]> {
    const oneByOne = async () =>
      await Promise.all(items.map(async (item) => await this.#writeOne(item, signal)))
    if (items.length < 2 || this.#options.write.mode === 'insert') return await oneByOne()
    try {
      const left = await this.#writeBatch(items, signal)
      return items.map((item) => (left.has(this.#keyOf(item)) ? unprocessed() : 'done'))
    } catch (error) {
      signal.throwIfAborted()
      const failure = awsFailure(error)
      return failure.kind === 'refused' ? await oneByOne() : items.map(() => failure)
    }
  }

  /** @returns The keys of what was left undone. */
  async #writeBatch(items: readonly Item[], signal: AbortSignal): Promise<Set<string>> {
    const { table, write } = this.#options
    const requests = items.map(
      (item): WriteRequest =>
        write.mode === 'delete' ? { DeleteRequest: { Key: item } } : { PutRequest: { Item: item } },
    )
    const command = new this.#driver.BatchWriteItemCommand({ RequestItems: { [table]: requests } })
    const { UnprocessedItems = {} } = await this.#client!.send(command, { abortSignal: signal })
    // It is told under the table's name also where the request had its ARN.
    const left = Object.values(UnprocessedItems).flat()
    return new Set(
      left.map(({ PutRequest, DeleteRequest }) => this.#keyOf((PutRequest?.Item ?? DeleteRequest?.Key)!)),
    )
  }

  async #writeOne(item: Item, signal: AbortSignal): Promise<Outcome> {
    const { table: TableName, write } = this.#options
    const { PutItemCommand, DeleteItemCommand } = this.#driver
    const client = this.#client!
    try {
      if (write.mode === 'delete') {
        await client.send(new DeleteItemCommand({ TableName, Key: item }), { abortSignal: signal })
      } else {
        const condition = write.mode === 'insert' && this.#absence()
        await client.send(new PutItemCommand({ TableName, Item: item, ...condition }), {
          abortSignal: signal,
        })
      }
      return 'done'
    } catch (error) {
      signal.throwIfAborted()
      const failure = awsFailure(error)
      if (failure.code !== 'ConditionalCheckFailedException') return failure
      return await this.#present(item, { failure, signal })
    }
  }

  /** That no item has the key. */
  #absence() {
    return {
      ConditionExpression: 'attribute_not_exists(#key)',
      ExpressionAttributeNames: { '#key': this.#keyNames[0]! },
    }
  }

  /** What is there is ours where it is the same: a run that was killed has inserted it. */
  async #present(
    item: Item,
    { failure, signal }: { failure: ActionFailure; signal: AbortSignal },
  ): Promise<Outcome> {
    const command = new this.#driver.GetItemCommand({
      TableName: this.#options.table,
      Key: keyOfItem(item, this.#keyNames),
      ConsistentRead: true,
    })
    try {
      const { Item: there = {} } = await this.#client!.send(command, { abortSignal: signal })
      if (isSame(there, item)) return 'skipped'
    } catch (error) {
      signal.throwIfAborted()
      return awsFailure(error)
    }
    return new ActionFailure('refused', failure.code, 'An item of this key is there, and is another', {
      cause: failure,
    })
  }
}

function unprocessed(): ActionFailure {
  return new ActionFailure('throttled', 'UnprocessedItems', 'DynamoDB left it undone, of a batch')
}

function refused(event: ReplayEvent, why: string): ReplayError {
  return new ReplayError('REPLAY_EVENT_REFUSED', `${event.place} ${why}`)
}
