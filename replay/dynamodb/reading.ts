/**
 * What a source of DynamoDB asks for: a scan in segments, or a query for each of some partition keys. Each is a
 * part, read page by page.
 */
import type { AttributeValue, QueryCommandInput, ScanCommandInput } from '@aws-sdk/client-dynamodb'
import { ReplayError } from '../errors.ts'
import type { PluginOptions } from '../options.ts'
import { type KeyNames, namesOf, type Table } from './table.ts'

export interface ReadingOptions {
  readonly index: string | undefined
  /** Of partitions; undefined for a scan. */
  readonly keys: readonly string[] | undefined
  readonly sort: SortRange
  readonly newestFirst: boolean
  readonly segments: number
  readonly pageItems: number
  /** Undefined: where it can be. */
  readonly consistent: boolean | undefined
}

interface SortRange {
  readonly from: string | undefined
  readonly to: string | undefined
  readonly prefix: string | undefined
}

/** For a plugin's help. */
export const readingOptions = {
  key: 'Partition key, or several: they are queried one after the other, each in the order of its sort key; default: a scan of all',
  sortFrom: 'With `key`: the lowest sort key',
  sortTo: 'With `key`: the highest sort key',
  sortPrefix: 'With `key`: what the sort key begins with',
  newestFirst: 'With `key`: true for the highest sort key first; default: false',
  index: 'Index to read instead of the table',
  segments: 'Of a scan: how many parts of it are read at once, 1 to 64; default: 1',
  pageItems: 'Items of a page at most, 1 to 10000; DynamoDB gives 1 MB at most; default: 1000',
  consistent: 'Whether reads are strongly consistent; default: true, but for a global index, which cannot be',
} as const

/** @throws TypeError as `PluginOptions` does, and for what does not go together. */
export function readReading(options: PluginOptions): ReadingOptions {
  const keys = options.texts('key')
  const from = options.text('sortFrom')
  const to = options.text('sortTo')
  const prefix = options.text('sortPrefix')
  const newestFirst = options.flag('newestFirst')
  const index = options.text('index')
  const segments = options.whole('segments', { min: 1, max: 64 })
  const pageItems = options.whole('pageItems', { min: 1, max: 10_000 })
  const consistent = options.flag('consistent')
  const isRange = [from, to, prefix, newestFirst].some((one) => one !== undefined)
  if (keys === undefined && isRange)
    throw new TypeError('`sortFrom`, `sortTo`, `sortPrefix` and `newestFirst` want a `key`')
  if (keys !== undefined && segments !== undefined)
    throw new TypeError('`segments` are of a scan, which has no `key`')
  if (keys?.length === 0) throw new TypeError('Expected at least one `key`')
  if (prefix !== undefined && (from ?? to) !== undefined)
    throw new TypeError('`sortPrefix` does not go with `sortFrom` and `sortTo`')
  return {
    index,
    keys,
    sort: { from, to, prefix },
    newestFirst: newestFirst ?? false,
    segments: segments ?? 1,
    pageItems: pageItems ?? 1_000,
    consistent,
  }
}

/** Requests, the first page of each part, and what a key in them is made of. */
export interface Reading {
  readonly parts: readonly (
    | { readonly scan: ScanCommandInput; readonly query?: undefined }
    | { readonly query: QueryCommandInput; readonly scan?: undefined }
  )[]
  /** Parts that may be read at the same time. */
  readonly atOnce: number
  /** Of whatever is read, an index's own first. */
  readonly keyNames: readonly string[]
}

/** @throws ReplayError `REPLAY_SOURCE_INVALID` for an index that is not there, keys of another type. */
export function planReading(tableName: string, table: Table, options: ReadingOptions): Reading {
  const { index, keys, segments, pageItems } = options
  const key = keyOf(table, options)
  const common = {
    TableName: tableName,
    Limit: pageItems,
    ConsistentRead: isConsistent(table, options),
    ...(index !== undefined && { IndexName: index }),
  }
  const keyNames = [...new Set([...namesOf(key), ...namesOf(table.key)])]
  if (keys === undefined) {
    const all = Array.from({ length: segments }, (_, Segment) => ({
      scan: { ...common, ...(segments > 1 && { Segment, TotalSegments: segments }) },
    }))
    return { parts: all, atOnce: segments, keyNames }
  }
  const parts = keys.map((value) => ({
    query: { ...common, ...conditionOf(value, { key, table, options }) },
  }))
  return { parts, atOnce: 1, keyNames }
}

function keyOf(table: Table, { index, sort }: ReadingOptions): KeyNames {
  const key = index === undefined ? table.key : table.indices.get(index)?.key
  if (key === undefined)
    throw invalid(`has no index ${index}, only ${[...table.indices.keys()].join(', ') || 'none'}`)
  const isRange = (sort.from ?? sort.to ?? sort.prefix) !== undefined
  if (isRange && key.sort === undefined) throw invalid('has no sort key there')
  return key
}

function isConsistent(table: Table, { index, consistent }: ReadingOptions): boolean {
  const isGlobal = index !== undefined && table.indices.get(index)!.isGlobal
  if (isGlobal && consistent === true)
    throw invalid(`has a global index ${index}, whose reads cannot be consistent`)
  return consistent ?? !isGlobal
}

function conditionOf(
  value: string,
  { key, table, options }: { key: KeyNames; table: Table; options: ReadingOptions },
): Pick<
  QueryCommandInput,
  'KeyConditionExpression' | 'ExpressionAttributeNames' | 'ExpressionAttributeValues' | 'ScanIndexForward'
> {
  const { from, to, prefix } = options.sort
  const values: Record<string, AttributeValue> = { ':key': keyValue(value, key.partition, table) }
  const conditions = ['#key = :key']
  const sortValue = (name: string, text: string) => {
    values[name] = keyValue(text, key.sort!, table)
    return name
  }
  // A query takes one condition on the sort key.
  if (from !== undefined && to !== undefined)
    conditions.push(`#sort BETWEEN ${sortValue(':from', from)} AND ${sortValue(':to', to)}`)
  else if (from !== undefined) conditions.push(`#sort >= ${sortValue(':from', from)}`)
  else if (to !== undefined) conditions.push(`#sort <= ${sortValue(':to', to)}`)
  else if (prefix !== undefined) conditions.push(`begins_with(#sort, ${sortValue(':prefix', prefix)})`)
  return {
    KeyConditionExpression: conditions.join(' AND '),
    ExpressionAttributeNames: { '#key': key.partition, ...(conditions.length > 1 && { '#sort': key.sort! }) },
    ExpressionAttributeValues: values,
    ScanIndexForward: !options.newestFirst,
  }
}

/** A text of the options, as the key's type has it; binary is given in base64. */
function keyValue(text: string, name: string, { types }: Table): AttributeValue {
  const type = types.get(name)
  if (type === 'B') return { B: Buffer.from(text, 'base64') }
  if (type !== 'N') return { S: text }
  if (text.trim() === '' || Number.isNaN(Number(text)))
    throw invalid(`has numbers as ${name}, and ${text} is none`)
  return { N: text.trim() }
}

function invalid(what: string): ReplayError {
  return new ReplayError('REPLAY_SOURCE_INVALID', `The table ${what}`)
}
