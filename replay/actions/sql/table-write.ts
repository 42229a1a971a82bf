/** What is written, where: a table, the columns that are filled, and how a row is known. */

import { defaultMapping } from '../../mapping/default-mapping.ts'
import type { ValueType } from '../../mapping/mapped-value.ts'
import type { Mapping } from '../../mapping/mapping.ts'
import { parseMapping } from '../../mapping/mapping.ts'
import type { PluginOptions } from '../../options.ts'

export type WriteMode = 'insert' | 'upsert' | 'delete'

export interface TableWrite {
  /** `['orders']`, or with what it is in: `['shop', 'orders']`. */
  readonly table: readonly string[]
  readonly mode: WriteMode
  /** Columns by which a row is known. Empty only where rows are inserted. */
  readonly key: readonly string[]
  /** In the order of a row's values; where rows are deleted, those of the key. */
  readonly columns: readonly string[]
  /** Of each column, as far as the mapping says. */
  readonly types: readonly (ValueType | undefined)[]
}

export const writeOptions: Readonly<Record<string, string>> = {
  table: 'The table: orders, or schema.orders; a name with a dot in it is written "odd.name"',
  mode: 'insert, upsert (default) or delete',
  key: 'The column, or columns, by which a row is known; default, without columns: source and id',
  columns: 'What goes into each column: see mappings; default: id, source, type, subject, time, data',
}

/** @throws TypeError for options that cannot be. */
export function readTableWrite(options: PluginOptions): {
  readonly write: TableWrite
  readonly mapping: Mapping
} {
  const table = parseTable(options.requiredText('table'))
  const mode = options.choice('mode', ['insert', 'upsert', 'delete']) ?? 'upsert'
  const columns = options.object('columns')
  const whole = columns === undefined ? defaultMapping : parseMapping(columns)
  const key = options.texts('key') ?? (columns === undefined ? defaultKey : [])
  if (key.length === 0 && mode !== 'insert')
    throw new TypeError(`An ${mode} needs the option \`key\`: the columns by which a row is known`)
  const absent = key.find((name) => !whole.names.includes(name))
  if (absent !== undefined)
    throw new TypeError(
      `The key ${JSON.stringify(absent)} has to be one of \`columns\`: ${whole.names.join(', ')}`,
    )
  if (new Set(key).size < key.length) throw new TypeError('Expected `key` to name each column once')
  const mapping = mode === 'delete' ? whole.only(key) : whole
  for (const name of [...table, ...mapping.names])
    if (name === '' || name.includes('\0'))
      throw new TypeError(`${JSON.stringify(name)} names no table or column`)
  return { write: { table, mode, key, columns: mapping.names, types: mapping.types }, mapping }
}

const defaultKey: readonly string[] = ['source', 'id']

/** `schema.table`; a part in double quotes may hold dots. */
function parseTable(text: string): string[] {
  const parts = [...text.matchAll(/(?:^|\.)(?:"((?:[^"]|"")*)"|([^".]*))/gy)]
  if (parts.map(([all]) => all).join('') !== text || parts.length > 3)
    throw new TypeError(`Expected \`table\` as in orders, schema.orders or "odd.name", got ${text}`)
  return parts.map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare!)
}
