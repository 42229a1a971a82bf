/**
 * What a mapping makes of a value: checked, of a type that is known, and no database's own. Whoever writes it
 * says it in the way of the service.
 */
export type ValueType =
  | 'text'
  | 'integer'
  | 'number'
  | 'decimal'
  | 'boolean'
  | 'timestamp'
  | 'date'
  | 'json'
  | 'bytes'

export const valueTypes: readonly ValueType[] = [
  'text',
  'integer',
  'number',
  'decimal',
  'boolean',
  'timestamp',
  'date',
  'json',
  'bytes',
]

export type MappedValue =
  | null
  | { readonly type: 'text'; readonly value: string }
  /** A bigint where a number would not hold it. */
  | { readonly type: 'integer'; readonly value: number | bigint }
  /** Finite. */
  | { readonly type: 'number'; readonly value: number }
  /** Its digits, as they were written. */
  | { readonly type: 'decimal'; readonly value: string }
  | { readonly type: 'boolean'; readonly value: boolean }
  /** RFC 3339 in UTC, with the fraction as it was written: `2026-01-02T03:04:05.678901Z`. */
  | { readonly type: 'timestamp'; readonly value: string }
  /** `2026-01-02`. */
  | { readonly type: 'date'; readonly value: string }
  /** `text` is as it was written, where it was. */
  | { readonly type: 'json'; readonly value: unknown; readonly text: string }
  | { readonly type: 'bytes'; readonly value: Buffer }

/** A JSON value, and how it was written: asked for only where parsing it may have lost something. */
export interface Raw {
  readonly value: unknown
  text(): string
  /** Whether a number may have been written with more digits than its value has. Default: none was. */
  mayLose?(): boolean
}
