/** Makes a value of JSON one of a type, or of its own where none is asked for. */
import type { MappedValue, Raw, ValueType } from './mapped-value.ts'

/**
 * @param type - Undefined: that which the JSON has.
 * @returns undefined where it does not fit.
 */
export function mappedValueOf(raw: Raw, type: ValueType | undefined): MappedValue | undefined {
  if (raw.value === null) return null
  return type === undefined ? natural(raw) : conversions[type](raw)
}

function natural(raw: Raw): MappedValue {
  const { value } = raw
  if (typeof value === 'string') return { type: 'text', value }
  if (typeof value === 'boolean') return { type: 'boolean', value }
  return typeof value === 'number' ? numeric(value, raw) : new JsonText(raw)
}

/** A number of JSON, with every digit of it. */
function numeric(value: number, raw: Raw): MappedValue {
  const isInteger = Number.isSafeInteger(value)
  // Of 15 digits none is lost; a whole number has no point among its 16 characters.
  const isShort = Number.isFinite(value) && !Number.isInteger(value) && String(value).length <= 16
  const plain: MappedValue = { type: isInteger ? 'integer' : 'number', value }
  const mayBePlain = isInteger || isShort
  if (mayBePlain && raw.mayLose?.() !== true) return plain
  const text = raw.text()
  if (mayBePlain && isHeld(text, value)) return plain
  if (/^-?\d+$/.test(text)) return { type: 'integer', value: isInteger ? value : BigInt(text) }
  return String(value) === text ? { type: 'number', value } : { type: 'decimal', value: text }
}

/** Whether a value has all of the digits that were written. */
function isHeld(text: string, value: number): boolean {
  const digits = text
    .replace(/e.*$/i, '')
    .replace(/[-.]/g, '')
    .replace(/^0+|0+$/g, '')
  return digits.length <= 15 && (value !== 0 || digits === '')
}

const conversions: Readonly<Record<ValueType, (raw: Raw) => MappedValue | undefined>> = {
  text(raw) {
    if (typeof raw.value === 'string') return { type: 'text', value: raw.value }
    return { type: 'text', value: typeof raw.value === 'boolean' ? String(raw.value) : raw.text() }
  },

  integer(raw) {
    const { value } = raw
    if (typeof value === 'number' && Number.isSafeInteger(value)) return { type: 'integer', value }
    const text = digitsOf(raw)
    if (text === undefined || !/^[+-]?\d{1,100}$/.test(text)) return undefined
    const exact = BigInt(text.replace('+', ''))
    const number = Number(exact)
    return { type: 'integer', value: Number.isSafeInteger(number) ? number : exact }
  },

  number(raw) {
    const text = digitsOf(raw)
    const value = typeof raw.value === 'number' ? raw.value : Number(text ?? Number.NaN)
    return Number.isFinite(value) ? { type: 'number', value } : undefined
  },

  decimal(raw) {
    const value = digitsOf(raw)
    return value === undefined ? undefined : { type: 'decimal', value }
  },

  boolean({ value }) {
    if (value === true || value === 'true' || value === 1) return { type: 'boolean', value: true }
    if (value === false || value === 'false' || value === 0) return { type: 'boolean', value: false }
    return undefined
  },

  timestamp({ value }) {
    const instant = instantOf(value)
    return instant === undefined ? undefined : { type: 'timestamp', value: instant }
  },

  date({ value }) {
    const day = typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value) ? `${value}T00:00:00Z` : value
    const instant = instantOf(day)
    return instant === undefined ? undefined : { type: 'date', value: instant.slice(0, instant.indexOf('T')) }
  },

  json: (raw) => new JsonText(raw),

  bytes({ value }) {
    if (typeof value !== 'string' || !base64.test(value)) return undefined
    return { type: 'bytes', value: Buffer.from(value, 'base64') }
  },
}

/** In the alphabet of either, with or without padding. */
const base64 = /^(?:[\w+/-]{4})*(?:[\w+/-]{2,3}={0,2})?$/

/** What is a number, or a text that is one. */
function digitsOf(raw: Raw): string | undefined {
  if (typeof raw.value === 'number') return raw.text()
  if (typeof raw.value !== 'string') return undefined
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(raw.value) ? raw.value : undefined
}

/** A time without an offset is one in UTC; a number counts milliseconds since 1970. */
function instantOf(value: unknown): string | undefined {
  if (typeof value === 'number') {
    const date = new Date(value)
    return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
  }
  const parts = typeof value === 'string' ? rfc3339.exec(value)?.groups : undefined
  if (parts === undefined) return undefined
  const { date, time, fraction = '', offset = 'Z' } = parts
  const local = Date.parse(`${date}T${time}Z`)
  // 31 February is in March, for Date.
  if (Number.isNaN(local) || new Date(local).toISOString().slice(0, 10) !== date) return undefined
  const instant = Date.parse(`${date}T${time}${offset.toUpperCase()}`)
  if (Number.isNaN(instant)) return undefined
  return `${new Date(instant).toISOString().slice(0, -'.000Z'.length)}${fraction}Z`
}

const rfc3339 =
  /^(?<date>\d{4}-\d\d-\d\d)[Tt ](?<time>\d\d:\d\d:\d\d)(?<fraction>\.\d{1,9})?(?<offset>[Zz]|[+-]\d\d:\d\d)?$/

/** Its text is made once it is asked for. */
class JsonText {
  readonly type = 'json'
  readonly value: unknown
  readonly #raw: Raw
  #text: string | undefined

  constructor(raw: Raw) {
    this.value = raw.value
    this.#raw = raw
  }

  get text(): string {
    this.#text ??= this.#raw.text()
    return this.#text
  }
}
