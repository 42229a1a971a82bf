/** Numbers as DynamoDB has them: decimals of up to 38 digits, as text. */

interface Decimal {
  readonly isNegative: boolean
  /** Without zeros at either end; empty for zero. */
  readonly digits: string
  /** Of ten, by which `0.DIGITS` is to be multiplied. */
  readonly exponent: number
}

/** Digits, and exponents of ten, that DynamoDB holds. */
const digitsMax = 38
const exponents = { min: -129, max: 126 }

/** @returns undefined for a text that is no number. */
function decimalOf(text: string): Decimal | undefined {
  const parts = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d{1,6}))?$/.exec(text)
  if (parts === null) return undefined
  const [, sign, whole = '', fraction = '', power = '0'] = parts
  if (whole === '' && fraction === '') return undefined
  const all = whole + fraction
  const digits = all.replace(/^0+/, '')
  const exponent = Number(power) + whole.length - (all.length - digits.length)
  const significant = digits.replace(/0+$/, '')
  return significant === ''
    ? { isNegative: false, digits: '', exponent: 0 }
    : { isNegative: sign === '-', digits: significant, exponent }
}

/** Whether DynamoDB holds a number, with every digit. */
export function isStorable(text: string): boolean {
  const decimal = decimalOf(text)
  if (decimal === undefined) return false
  const { digits, exponent } = decimal
  return digits.length <= digitsMax && exponent >= exponents.min && exponent <= exponents.max
}

/** One text for each number, however it is written; for comparison. */
export function canonicalNumber(text: string): string {
  const decimal = decimalOf(text)
  return decimal === undefined
    ? text
    : `${decimal.isNegative ? '-' : ''}${decimal.digits}e${decimal.exponent}`
}

/** A number as JSON: as text where a number of JSON would lose some of it. */
export function jsonNumber(text: string): number | string {
  const value = Number(text)
  const isExact = Number.isInteger(value)
    ? Number.isSafeInteger(value)
    : canonicalNumber(String(value)) === canonicalNumber(text)
  return isExact ? value : text
}
