/** A table of DynamoDB, as it says of itself: what its keys are made of. */
import type {
  DynamoDBClient,
  KeySchemaElement,
  ScalarAttributeType,
  TableDescription,
} from '@aws-sdk/client-dynamodb'
import type { AwsAddress } from '../aws/aws-options.ts'
import { clientConfig } from '../aws/aws-options.ts'
import { loadDriver } from '../load-driver.ts'
import { base64, type Item } from './attribute-value.ts'
import { canonicalNumber } from './decimal.ts'

export type DynamoDriver = typeof import('@aws-sdk/client-dynamodb')

/** @throws ReplayError `REPLAY_DRIVER_MISSING`. */
export async function openDynamo(
  address: AwsAddress,
  options: { readonly timeoutMs: number; readonly maxAttempts?: number },
): Promise<{ driver: DynamoDriver; client: DynamoDBClient }> {
  const driver = await loadDriver('@aws-sdk/client-dynamodb', {
    what: 'DynamoDB',
    load: async () => await import('@aws-sdk/client-dynamodb'),
  })
  return { driver, client: new driver.DynamoDBClient(clientConfig(address, options)) }
}

/** Of a table or an index. */
export interface KeyNames {
  readonly partition: string
  readonly sort: string | undefined
}

export interface Table {
  readonly key: KeyNames
  readonly types: ReadonlyMap<string, ScalarAttributeType>
  /** Of its indices; a global one reads with a delay. */
  readonly indices: ReadonlyMap<string, { readonly key: KeyNames; readonly isGlobal: boolean }>
  /** Reckoned by DynamoDB every six hours or so. */
  readonly bytes: number
}

/** @throws What the SDK throws. */
export async function describeTable(
  { driver, client }: { driver: DynamoDriver; client: DynamoDBClient },
  name: string,
): Promise<Table> {
  const { Table: table = {} } = await client.send(new driver.DescribeTableCommand({ TableName: name }))
  const { AttributeDefinitions = [], TableSizeBytes = 0 } = table
  return {
    key: keyNames(table.KeySchema),
    types: new Map(AttributeDefinitions.map((one) => [one.AttributeName!, one.AttributeType!])),
    indices: new Map([
      ...indicesOf(table.LocalSecondaryIndexes, { isGlobal: false }),
      ...indicesOf(table.GlobalSecondaryIndexes, { isGlobal: true }),
    ]),
    bytes: TableSizeBytes,
  }
}

function indicesOf(
  indices: TableDescription['LocalSecondaryIndexes'],
  { isGlobal }: { isGlobal: boolean },
): [string, { key: KeyNames; isGlobal: boolean }][] {
  return (indices ?? []).map((one) => [one.IndexName!, { key: keyNames(one.KeySchema), isGlobal }])
}

function keyNames(schema: readonly KeySchemaElement[] = []): KeyNames {
  const named = (type: string) => schema.find(({ KeyType }) => KeyType === type)?.AttributeName
  return { partition: named('HASH')!, sort: named('RANGE') }
}

export function namesOf({ partition, sort }: KeyNames): string[] {
  return sort === undefined ? [partition] : [partition, sort]
}

/** The attributes of an item that are its key. */
export function keyOfItem(item: Item, names: readonly string[]): Item {
  return Object.fromEntries(
    names.flatMap((name) => (item[name] === undefined ? [] : [[name, item[name]]])),
  ) as Item
}

/** One text for each key, however its numbers are written. */
export function keyText(item: Item, names: readonly string[]): string {
  return JSON.stringify(
    names.map((name) => {
      const value = item[name]
      if (value?.N !== undefined) return ['N', canonicalNumber(value.N)]
      return value?.B === undefined ? ['S', value?.S] : ['B', base64(value.B)]
    }),
  )
}
