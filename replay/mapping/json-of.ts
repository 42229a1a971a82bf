/** An event as a mapping says it, as JSON: numbers with every digit that the event has. */
import type { ReplayEvent } from '../replay-event.ts'
import type { MappedValue } from './mapped-value.ts'
import type { Mapping } from './mapping.ts'

/** @throws ReplayError as `Mapping.valuesOf`. */
export function jsonOf(mapping: Mapping, event: ReplayEvent): string {
  const members = mapping
    .valuesOf(event)
    .map((value, at) => `${JSON.stringify(mapping.names[at])}:${text(value)}`)
  return `{${members.join(',')}}`
}

function text(mapped: MappedValue): string {
  if (mapped === null) return 'null'
  if (mapped.type === 'json') return mapped.text
  if (mapped.type === 'bytes') return JSON.stringify(mapped.value.toString('base64'))
  if (mapped.type === 'decimal')
    return isJsonNumber.test(mapped.value) ? mapped.value : JSON.stringify(mapped.value)
  return typeof mapped.value === 'bigint' ? String(mapped.value) : JSON.stringify(mapped.value)
}

const isJsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
