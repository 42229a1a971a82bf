/**
 * A mapping: what of an event goes into which column, field or attribute, and as what type.
 *
 * It looks at the event's JSON in the shape in which its source holds it: `$.data.total` of a CloudEvent,
 * `$.detail.total` of an event of EventBridge.
 */
import { ReplayError } from '../errors.ts'
import type { ReplayEvent } from '../replay-event.ts'
import { type Field, parseField } from './field.ts'
import type { MappedValue, Raw, ValueType } from './mapped-value.ts'
import { mappedValueOf } from './mapped-value-of.ts'

export class Mapping {
  /** Of what it fills, in order. */
  readonly names: readonly string[]
  /** Of each; undefined where it is that of the event's JSON. */
  readonly types: readonly (ValueType | undefined)[]
  readonly #fields: readonly Field[]

  constructor(fields: ReadonlyMap<string, Field>) {
    this.names = [...fields.keys()]
    this.#fields = [...fields.values()]
    this.types = this.#fields.map(({ type }) => type)
  }

  /**
   * The values for an event, in the order of `names`.
   *
   * @throws ReplayError `REPLAY_EVENT_REFUSED` where one is required and absent, or is not of its type.
   *   `REPLAY_EVENT_UNREADABLE`.
   */
  valuesOf(event: ReplayEvent): MappedValue[] {
    return this.#fields.map((field, at) => valueFor(field, event, this.names[at]!))
  }

  /** The part of it that fills these. @throws TypeError where it does not fill one of them. */
  only(names: readonly string[]): Mapping {
    return new Mapping(
      new Map(
        names.map((name) => {
          const at = this.names.indexOf(name)
          if (at === -1) throw new TypeError(`Nothing is mapped to ${JSON.stringify(name)}`)
          return [name, this.#fields[at]!]
        }),
      ),
    )
  }
}

/**
 * @param columns - By name. A text that begins with `$` is a path, one with `{$…}` in it a template, any other
 *   text, number, list, true, false and null a constant; an object says more: see docs/replay/mapping.md.
 * @throws TypeError that names the column, and what is wrong.
 */
export function parseMapping(columns: Readonly<Record<string, unknown>>): Mapping {
  const names = Object.keys(columns)
  if (names.length === 0) throw new TypeError('A mapping has to fill at least one column')
  return new Mapping(new Map(names.map((name) => [name, parseField(name, columns[name])])))
}

function valueFor(field: Field, event: ReplayEvent, name: string): MappedValue {
  let raw = field.read(event)
  if (raw === undefined || raw.value === null) raw = field.default ?? raw
  if (raw === undefined || raw.value === null) {
    if (field.required === true) throw refused(`${JSON.stringify(name)} is required, and the event has none`)
    return null
  }
  const value = mappedValueOf(raw, field.type)
  if (value !== undefined) return value
  throw refused(`${JSON.stringify(name)} is no ${field.type}: ${shown(raw)}`)
}

function refused(message: string): ReplayError {
  return new ReplayError('REPLAY_EVENT_REFUSED', message)
}

const shownMax = 60

function shown(raw: Raw): string {
  const text = raw.text()
  return text.length > shownMax ? `${text.slice(0, shownMax)}…` : text
}
