/** What fills the columns of a table for events where nothing else is asked for. */
import { memberText, parsePath } from '../../events/index.ts'
import type { EventAttributes } from '../event-attributes.ts'
import type { ReplayEvent } from '../replay-event.ts'
import { type Field, pathReader } from './field.ts'
import type { Raw } from './mapped-value.ts'
import { Mapping } from './mapping.ts'

/**
 * `id`, `source` (empty where there is none), `type`, `subject`, `time` and `data`: of an event of EventBridge
 * its `detail`, of JSON that has neither all of it.
 */
export const defaultMapping = new Mapping(
  new Map<string, Field>([
    ['id', { read: attribute('id'), type: 'text', required: true }],
    ['source', { read: attribute('source'), type: 'text', default: { value: '', text: () => '""' } }],
    ['type', { read: attribute('type'), type: 'text' }],
    ['subject', { read: attribute('subject'), type: 'text' }],
    ['time', { read: attribute('time'), type: 'timestamp' }],
    ['data', { read: dataOf, type: 'json' }],
  ]),
)

function attribute(name: keyof EventAttributes): (event: ReplayEvent) => Raw | undefined {
  return ({ attributes }) => {
    const value = attributes[name]
    return value === undefined ? undefined : { value, text: () => JSON.stringify(value) }
  }
}

const members = ['data', 'data_base64', 'detail'].map((name) => ({
  name,
  read: pathReader(parsePath(`$.${name}`).path),
}))

function dataOf(event: ReplayEvent): Raw | undefined {
  const { json, text } = event
  if (typeof json !== 'object' || json === null) return { value: json, text: () => text }
  const member = members.find(({ name }) => Object.hasOwn(json, name))
  if (member !== undefined) return member.read(event)
  // A CloudEvent may have no data.
  return memberText(text, 'specversion') === undefined ? { value: json, text: () => text } : undefined
}
