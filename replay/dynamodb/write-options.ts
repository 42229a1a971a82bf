/** What an action of DynamoDB writes: items of a mapping, put, inserted or deleted by their key. */
import { defaultMapping } from '../mapping/default-mapping.ts'
import { type Mapping, parseMapping } from '../mapping/mapping.ts'
import type { PluginOptions } from '../options.ts'

export interface WriteOptions {
  readonly mode: 'upsert' | 'insert' | 'delete'
  /** Undefined: as the table has it. */
  readonly key: readonly string[] | undefined
  /** Where items are deleted, of the key alone. */
  readonly mapping: Mapping
}

/** For a plugin's help. */
export const writeOptions = {
  mode: 'upsert (default) puts the item in the place of any that is there, insert refuses where one is there, delete',
  key: 'Attributes of the table’s key, one or two; default: as the table says; to delete: those of `columns`',
  columns: 'What goes into each attribute: see mappings; default: id, source, type, subject, time, data',
} as const

/** @throws TypeError as `PluginOptions` and `parseMapping` do, and for a key that is not mapped. */
export function readWriteOptions(options: PluginOptions): WriteOptions {
  const mode = options.choice('mode', ['upsert', 'insert', 'delete']) ?? 'upsert'
  const key = options.texts('key')
  const columns = options.object('columns')
  const mapping = columns === undefined ? defaultMapping : parseMapping(columns)
  if (key !== undefined && (key.length < 1 || key.length > 2 || new Set(key).size < key.length))
    throw new TypeError('Expected `key` to be one attribute, or two')
  if (mode !== 'delete') return { mode, key: key && mapping.only(key).names, mapping }
  const names = key ?? (columns && mapping.names)
  if (names === undefined) throw new TypeError('To delete, name the attributes of the `key`')
  if (names.length > 2)
    throw new TypeError('To delete, map the attributes of the key alone, or name them as `key`')
  return { mode, key: names, mapping: mapping.only(names) }
}
