/**
 * Parquet: a journal of rows, lines of JSON, made into a file when the part is full or at the end. How rows are
 * grouped depends on them alone, so that a run that was killed in between makes the same file.
 */
import type * as Hyparquet from 'hyparquet-writer'
import { ReplayError } from '../../errors.ts'
import type { MappedValue, ValueType } from '../../mapping/mapped-value.ts'
import type { Mapping } from '../../mapping/mapping.ts'
import type { LineFormat } from './line-format.ts'
import { linesOf } from './lines-of.ts'

type Cell = string | number | boolean | null

/** A group is in memory while it is written. */
const groupRowsMax = 50_000
const groupLengthMax = 16 * 1024 * 1024

/** Rows as the journal holds them. @throws ReplayError `REPLAY_EVENT_REFUSED` as the mapping does. */
export function parquetRows(mapping: Mapping): LineFormat {
  const { types, names } = mapping
  return {
    header: '',
    lineOf: (event) =>
      `${JSON.stringify(mapping.valuesOf(event).map((value, at) => cellOf(value, types[at], names[at]!)))}\n`,
  }
}

/** @throws ReplayError `REPLAY_DRIVER_MISSING`. */
export async function loadParquet(): Promise<typeof Hyparquet> {
  try {
    return await import('hyparquet-writer')
  } catch (cause) {
    throw new ReplayError('REPLAY_DRIVER_MISSING', 'Parquet needs a package: npm install hyparquet-writer', {
      cause,
    })
  }
}

/** Writes the rows of a journal to a file, which it replaces. */
export async function packParquet(
  { names, types }: Mapping,
  { journal, file }: { journal: string; file: string },
): Promise<void> {
  const { fileWriter, ParquetWriter } = await loadParquet()
  const schema = [
    { name: 'root', num_children: names.length },
    ...names.map((name, at) => ({
      name,
      repetition_type: 'OPTIONAL' as const,
      ...columnOf(types[at]).element,
    })),
  ]
  const writer = new ParquetWriter({ writer: fileWriter(file), schema, createdBy: 'backstory' })
  const write = async (rows: readonly (readonly Cell[])[]) => {
    const columnData = names.map((name, at) => {
      const { read } = columnOf(types[at])
      return { name, data: rows.map((row) => (row[at] === null ? null : read(row[at] as never))) }
    })
    await writer.write({ columnData, rowGroupSize: rows.length })
  }
  let rows: Cell[][] = []
  let length = 0
  for await (const line of linesOf(journal)) {
    rows.push(JSON.parse(line))
    length += line.length
    if (rows.length < groupRowsMax && length < groupLengthMax) continue
    await write(rows)
    rows = []
    length = 0
  }
  if (rows.length > 0) await write(rows)
  await writer.finish()
}

interface Column {
  readonly element: Omit<Hyparquet.SchemaElement, 'name'>
  read(cell: never): unknown
}

const text: Column = {
  element: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  read: (cell: string) => cell,
}

/** Decimals and JSON are text: Parquet has no decimals without a fixed precision, and the writer would parse the JSON. */
const columns: Readonly<Record<ValueType, Column>> = {
  text,
  decimal: text,
  json: text,
  integer: { element: { type: 'INT64' }, read: (cell: string) => BigInt(cell) },
  number: { element: { type: 'DOUBLE' }, read: (cell: number) => cell },
  boolean: { element: { type: 'BOOLEAN' }, read: (cell: boolean) => cell },
  timestamp: { element: { type: 'INT64', converted_type: 'TIMESTAMP_MICROS' }, read: microsecondsOf },
  date: {
    element: { type: 'INT32', converted_type: 'DATE' },
    read: (cell: string) => Date.parse(`${cell}T00:00:00Z`) / 86_400_000,
  },
  bytes: {
    element: { type: 'BYTE_ARRAY' },
    read: (cell: string) => new Uint8Array(Buffer.from(cell, 'base64')),
  },
}

function columnOf(type: ValueType | undefined): Column {
  return type === undefined ? text : columns[type]
}

/** What is finer is cut off. */
function microsecondsOf(timestamp: string): bigint {
  const [seconds, fraction = ''] = timestamp.slice(0, -1).split('.')
  return BigInt(Date.parse(`${seconds}Z`)) * 1_000n + BigInt(fraction.slice(0, 6).padEnd(6, '0'))
}

const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n }

function cellOf(value: MappedValue, type: ValueType | undefined, name: string): Cell {
  if (value === null) return null
  if (value.type === 'json') return value.text
  if (value.type === 'bytes') return value.value.toString('base64')
  if (value.type === 'integer') {
    if (type === 'integer' && (value.value < int64.min || value.value > int64.max)) {
      throw new ReplayError(
        'REPLAY_EVENT_REFUSED',
        `${JSON.stringify(name)} has more digits than an integer of Parquet`,
      )
    }
    return String(value.value)
  }
  return type === undefined ? String(value.value) : value.value
}
