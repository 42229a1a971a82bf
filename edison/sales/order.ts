/**
 * An entry of the order book: an order, a cancellation, or rejected with a reason for a person.
 *
 * The JSON Schema below is the whole rule for an order. Fields that it does not name are kept and
 * travel with the order. An entry with `cancel` is a cancellation; any value of it but true is an
 * error, since it would otherwise sell what somebody meant to take back.
 */
import { Ajv, type ErrorObject } from 'ajv'
import addFormats from 'ajv-formats'
import type { OrderPlaced } from '../events.ts'
import { contentOf, unstorable } from './content.ts'

export type Entry =
  | { readonly kind: 'order'; readonly order: OrderPlaced; readonly content: string }
  | { readonly kind: 'cancellation'; readonly externalId: string }
  | { readonly kind: 'rejected'; readonly reason: string }

const text = { type: 'string', pattern: '\\S' } as const

const orderSchema = {
  type: 'object',
  required: ['external_id', 'name', 'price', 'order_date', 'delivery_date', 'customer_name'],
  properties: {
    external_id: text,
    name: text,
    price: { type: 'number', exclusiveMinimum: 0 },
    order_date: { type: 'string', format: 'date' },
    delivery_date: { type: 'string', format: 'date', formatMinimum: { $data: '1/order_date' } },
    customer_name: text,
  },
} as const

const cancellationSchema = {
  type: 'object',
  required: ['external_id', 'cancel'],
  properties: { external_id: text, cancel: { const: true } },
} as const

/** An event's id is made of the order's number and must fit AMQP's short string of 255 bytes. */
const externalIdBytesMax = 200

/** Compiles the schemas, once, and gives the check of an entry. */
export function createEntryCheck(): (entry: unknown) => Entry {
  const ajv = new Ajv({ strict: true, allErrors: true, $data: true, verbose: true })
  // CommonJS with a default export: only `.default` means the same to Node, tsx and TypeScript.
  addFormats.default(ajv)
  const isOrder = ajv.compile<OrderPlaced>(orderSchema)
  const isCancellation = ajv.compile<{ external_id: string }>(cancellationSchema)

  return (entry) => {
    const cancels = typeof entry === 'object' && entry !== null && 'cancel' in entry
    const isValid = cancels ? isCancellation : isOrder
    if (!isValid(entry)) return { kind: 'rejected', reason: explain(isValid.errors!) }
    const reason = unstorable(entry)
    if (reason !== undefined) return { kind: 'rejected', reason }
    if (Buffer.byteLength(entry.external_id) > externalIdBytesMax) {
      return { kind: 'rejected', reason: `external_id is longer than ${externalIdBytesMax} bytes` }
    }
    if (cancels) return { kind: 'cancellation', externalId: entry.external_id }
    return { kind: 'order', order: entry as OrderPlaced, content: contentOf(entry) }
  }
}

/** All that is wrong with an entry, the first fault of each field. */
function explain(errors: readonly ErrorObject[]): string {
  const faults = new Map<string, string>()
  for (const error of errors) {
    const field = error.instancePath.slice(1) || (error.params.missingProperty as string | undefined) || ''
    // Nobody can say what comes before a date that is none.
    if (error.keyword === 'formatMinimum' && faults.has('order_date')) continue
    if (!faults.has(field)) faults.set(field, faultOf(field, error))
  }
  return [...faults.values()].join('; ')
}

function faultOf(field: string, { keyword, params, data, parentSchema }: ErrorObject): string {
  switch (keyword) {
    case 'required':
      return `${field} is missing`
    case 'type': {
      const wanted = { object: 'an object', string: 'a text', number: 'a number' }[params.type as string]
      return `${field === '' ? 'the line' : field} must be ${wanted}, not ${shown(data)}`
    }
    case 'pattern':
      return `${field} is empty`
    case 'exclusiveMinimum':
      return `${field} must be above 0, not ${shown(data)}`
    case 'format':
      return `${field} must be a date of the calendar, YYYY-MM-DD, not ${shown(data)}`
    case 'formatMinimum':
      return `${field} ${shown(data)} is before order_date ${shown(params.limit)}`
    case 'const':
      return `${field} must be true, not ${shown(data)}`
    default:
      throw new Error(`No words for ${keyword} in ${JSON.stringify(parentSchema)}`)
  }
}

/** A value as JSON, cut where a person has seen enough. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  const json = JSON.stringify(value)
  return json.length > 40 ? `${json.slice(0, 40)}…` : json
}
