/**
 * Cuts rows into statements' worth. Their sizes are powers of two, so that there are few different statements
 * for a server to prepare or plan.
 */
import type { Row } from './sql-database.ts'

export function* rowChunks(
  rows: readonly Row[],
  { rowsMax, bytesMax }: { rowsMax: number; bytesMax: number },
): Generator<readonly Row[]> {
  for (let at = 0; at < rows.length; ) {
    let size = 2 ** Math.floor(Math.log2(Math.max(1, Math.min(rowsMax, rows.length - at))))
    while (size > 1 && bytesOf(rows.slice(at, at + size)) > bytesMax) size /= 2
    yield rows.slice(at, at + size)
    at += size
  }
}

function bytesOf(rows: readonly Row[]): number {
  return rows.reduce((sum, row) => sum + rowBytes(row), 0)
}

/** About what it takes on the wire. */
export function rowBytes(row: Row): number {
  let bytes = 0
  for (const value of row) {
    bytes += 12
    if (typeof value === 'string') bytes += Buffer.byteLength(value)
    else if (Buffer.isBuffer(value)) bytes += value.length
  }
  return bytes
}
