/** What files hold: how an event becomes a line of one. */
import { oneLine } from '../../../events/index.ts'
import { jsonOf } from '../../mapping/json-of.ts'
import type { MappedValue } from '../../mapping/mapped-value.ts'
import type { Mapping } from '../../mapping/mapping.ts'
import type { ReplayEvent } from '../../replay-event.ts'

export interface LineFormat {
  /** Above the lines of each file; empty where there is nothing. */
  readonly header: string
  /**
   * With its line break.
   *
   * @throws ReplayError `REPLAY_EVENT_REFUSED` as the mapping does, `REPLAY_EVENT_UNREADABLE`.
   */
  lineOf(event: ReplayEvent): string
}

/** The event as its source holds it, or, with a mapping, an object of what it maps. */
export function jsonLines(mapping: Mapping | undefined): LineFormat {
  return {
    header: '',
    lineOf: (event) => `${oneLine(mapping === undefined ? event.text : jsonOf(mapping, event))}\n`,
  }
}

/** RFC 4180: a header line, lines that end with CR LF, quotes where they are needed. Null is nothing, an empty text `""`. */
export function csv(mapping: Mapping): LineFormat {
  return {
    header: `${mapping.names.map(quoted).join(',')}\r\n`,
    lineOf: (event) => `${mapping.valuesOf(event).map(cellOf).join(',')}\r\n`,
  }
}

function cellOf(value: MappedValue): string {
  if (value === null) return ''
  if (value.type === 'json') return quoted(value.text)
  if (value.type === 'bytes') return value.value.toString('base64')
  return typeof value.value === 'string' ? quoted(value.value) : String(value.value)
}

function quoted(text: string): string {
  const isPlain = text !== '' && !/[",\r\n]|^\s|\s$/.test(text)
  return isPlain ? text : `"${text.replaceAll('"', '""')}"`
}
