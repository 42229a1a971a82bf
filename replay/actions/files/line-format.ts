/** What files hold: how an event becomes a line of one. */
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
  if (mapping === undefined) {
    return {
      header: '',
      lineOf: (event) => `${/[\r\n]/.test(event.text) ? JSON.stringify(event.json) : event.text}\n`,
    }
  }
  const keys = mapping.names.map((name) => JSON.stringify(name))
  return {
    header: '',
    lineOf: (event) =>
      `{${mapping
        .valuesOf(event)
        .map((value, at) => `${keys[at]}:${jsonOf(value)}`)
        .join(',')}}\n`,
  }
}

/** RFC 4180: a header line, lines that end with CR LF, quotes where they are needed. Null is nothing, an empty text `""`. */
export function csv(mapping: Mapping): LineFormat {
  return {
    header: `${mapping.names.map(quoted).join(',')}\r\n`,
    lineOf: (event) => `${mapping.valuesOf(event).map(cellOf).join(',')}\r\n`,
  }
}

function jsonOf(value: MappedValue): string {
  if (value === null) return 'null'
  switch (value.type) {
    case 'json':
      return /[\r\n]/.test(value.text) ? JSON.stringify(value.value) : value.text
    case 'bytes':
      return JSON.stringify(value.value.toString('base64'))
    case 'integer':
    case 'number':
    case 'boolean':
      return String(value.value)
    case 'decimal':
      return jsonNumber.test(value.value) ? value.value : JSON.stringify(value.value)
    default:
      return JSON.stringify(value.value)
  }
}

const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

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
