/** How rows of a history come back from PostgreSQL: texts as they were given, positions as numbers. */
import type { CustomTypesConfig } from 'pg'
import { fromText } from './postgres-text.ts'

/** For `rowMode: 'array'`, on the columns of a history alone. */
export const rowTypes = {
  getTypeParser(oid: number) {
    return parsers.get(oid) ?? ((text: string) => text)
  },
} as CustomTypesConfig

/** By the numbers of types that all PostgreSQL servers share. Positions stay below 2^53. */
const parsers = new Map<number, (text: string) => unknown>([
  [16, (text) => (text === 't' ? 1 : 0)],
  [17, (text) => Buffer.from(text.slice(2), 'hex')],
  [20, Number],
  [23, Number],
  [25, fromText],
])
