/** The size of an item as DynamoDB reckons it: names and values, with a little for each number and list. */
import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import type { Item } from './attribute-value.ts'

/** 400 KB. */
export const itemBytesMax = 400 * 1024

export function itemBytes(item: Item): number {
  let bytes = 0
  for (const [name, value] of Object.entries(item)) bytes += Buffer.byteLength(name) + valueBytes(value)
  return bytes
}

function valueBytes(value: AttributeValue): number {
  if (value.S !== undefined) return Buffer.byteLength(value.S)
  // Two digits a byte, and one for the exponent.
  if (value.N !== undefined) return Math.ceil(value.N.replace(/\D/g, '').length / 2) + 1
  if (value.B !== undefined) return value.B.length
  if (value.L !== undefined) return value.L.reduce((sum, one) => sum + 1 + valueBytes(one), 3)
  if (value.M !== undefined) return itemBytes(value.M) + 3 + Object.keys(value.M).length
  return 1
}
