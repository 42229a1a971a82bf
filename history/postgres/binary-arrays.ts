/**
 * Arrays in PostgreSQL's binary form, as a statement takes a whole batch in one value a column.
 *
 * pg sends a Buffer as it is. Its own arrays are text, in which each quote and backslash is escaped and
 * bytes take twice their room.
 */

/** A `text[]`. */
export function textArray(values: readonly (string | null)[]): Buffer {
  let bytes = headerBytes
  for (const value of values) bytes += lengthBytes + (value === null ? 0 : Buffer.byteLength(value))
  const array = arrayOf(values.length, { oid: 25, bytes })
  let at = headerBytes
  for (const value of values) {
    const length = value === null ? nullLength : array.write(value, at + lengthBytes)
    array.writeInt32BE(length, at)
    at += lengthBytes + Math.max(length, 0)
  }
  return array
}

/** A `bytea[]`. */
export function bytesArray(values: readonly Buffer[]): Buffer {
  const bytes = values.reduce((sum, value) => sum + lengthBytes + value.length, headerBytes)
  const array = arrayOf(values.length, { oid: 17, bytes })
  let at = headerBytes
  for (const value of values) {
    array.writeInt32BE(value.length, at)
    array.set(value, at + lengthBytes)
    at += lengthBytes + value.length
  }
  return array
}

/** A `uuid[]`, each of 32 hexadecimal digits. */
export function uuidArray(values: readonly string[]): Buffer {
  return hexArray(values, { oid: 2950, length: 16 })
}

/** A `bigint[]`, each of 16 hexadecimal digits. */
export function hexBigintArray(values: readonly string[]): Buffer {
  return hexArray(values, { oid: 20, length: 8 })
}

/** A `boolean[]`. */
export function booleanArray(values: readonly boolean[]): Buffer {
  const array = arrayOf(values.length, { oid: 16, bytes: headerBytes + values.length * (lengthBytes + 1) })
  let at = headerBytes
  for (const value of values) {
    array.writeInt32BE(1, at)
    array[at + lengthBytes] = value ? 1 : 0
    at += lengthBytes + 1
  }
  return array
}

/** A `bigint[]`, of integers from 0. */
export function bigintArray(values: readonly number[]): Buffer {
  const array = arrayOf(values.length, { oid: 20, bytes: headerBytes + values.length * (lengthBytes + 8) })
  let at = headerBytes
  for (const value of values) {
    array.writeInt32BE(8, at)
    array.writeUInt32BE(Math.floor(value / 2 ** 32), at + lengthBytes)
    array.writeUInt32BE(value >>> 0, at + lengthBytes + 4)
    at += lengthBytes + 8
  }
  return array
}

const headerBytes = 20
const lengthBytes = 4
const nullLength = -1

/** https://doxygen.postgresql.org/arrayfuncs_8c.html, `array_recv`: dimensions, nulls, type, length, first index. */
function arrayOf(length: number, { oid, bytes }: { oid: number; bytes: number }): Buffer {
  const array = Buffer.allocUnsafe(bytes)
  array.writeInt32BE(1, 0)
  array.writeInt32BE(1, 4)
  array.writeInt32BE(oid, 8)
  array.writeInt32BE(length, 12)
  array.writeInt32BE(1, 16)
  return array
}

function hexArray(values: readonly string[], { oid, length }: { oid: number; length: number }): Buffer {
  const array = arrayOf(values.length, { oid, bytes: headerBytes + values.length * (lengthBytes + length) })
  let at = headerBytes
  for (const value of values) {
    array.writeInt32BE(length, at)
    array.write(value, at + lengthBytes, 'hex')
    at += lengthBytes + length
  }
  return array
}
