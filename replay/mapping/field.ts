/**
 * Where the value of a column comes from, as a mapping says it: a path, a template, a constant, or a form that
 * says more.
 */
import { isPlural, type JsonPath, parsePath, textAt, valuesAt } from '../../events/index.ts'
import type { ReplayEvent } from '../replay-event.ts'
import { type Raw, type ValueType, valueTypes } from './mapped-value.ts'
import { parseTemplate } from './template.ts'

export interface Field {
  /** Undefined where the event has none. */
  read(event: ReplayEvent): Raw | undefined
  /** Undefined: that which its JSON has. */
  readonly type?: ValueType | undefined
  /** Refuses an event in which it is absent or null. */
  readonly required?: boolean
  /** Stands in where it is absent or null. */
  readonly default?: Raw | undefined
}

/** @throws TypeError that says what is wrong with it. */
export function parseField(name: string, form: unknown): Field {
  try {
    if (typeof form === 'string') return { read: readerOfText(form) }
    if (!isObject(form)) return { read: constant(form) }
    return parseForm(form)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new TypeError(`The mapping of ${JSON.stringify(name)}: ${error.message}`, { cause: error })
  }
}

const formMembers = ['path', 'template', 'value', 'type', 'required', 'default']

function parseForm(form: Readonly<Record<string, unknown>>): Field {
  const surplus = Object.keys(form).find((member) => !formMembers.includes(member))
  const sources = ['path', 'template', 'value'].filter((member) => form[member] !== undefined)
  if (surplus !== undefined || sources.length !== 1) {
    const found = surplus === undefined ? `it has ${sources.join(' and ') || 'none'}` : `not \`${surplus}\``
    throw new TypeError(
      `expected one of path, template and value, and any of type, required and default: ${found}; a constant object is {"value": …}`,
    )
  }
  const { path, template, value, type, required = false, default: standIn } = form
  if (type !== undefined && !valueTypes.includes(type as ValueType))
    throw new TypeError(`expected type to be one of ${valueTypes.join(', ')}`)
  if (typeof required !== 'boolean') throw new TypeError('expected required to be true or false')
  return {
    read: value !== undefined ? constant(value) : readerOf({ path, template }),
    type: type as ValueType | undefined,
    required,
    default: standIn === undefined ? undefined : constant(standIn)(),
  }
}

function readerOf({ path, template }: { path: unknown; template: unknown }): Field['read'] {
  if (typeof (path ?? template) !== 'string') throw new TypeError('expected path or template to be a text')
  return path === undefined ? parseTemplate(template as string) : readerOfPath(path as string)
}

function readerOfText(text: string): Field['read'] {
  if (text.startsWith('$')) return readerOfPath(text)
  return text.includes('{$') ? parseTemplate(text) : constant(text)
}

function readerOfPath(text: string): Field['read'] {
  const { path, end } = parsePath(text)
  if (end < text.length)
    throw new TypeError(
      `in ${text} at character ${end + 1}: expected the path to end; a constant is {"value": …}`,
    )
  return pathReader(path)
}

/** Several values are a list. */
export function pathReader(path: JsonPath): Field['read'] {
  const plural = isPlural(path)
  return (event) => {
    const values = valuesAt(path, event.json)
    if (values.length === 0) return undefined
    const value = plural ? values : values[0]
    const json = () => event.jsonText ?? event.text
    return {
      value,
      text: () => textAt(path, json()) ?? JSON.stringify(value),
      mayLose: () => hasLongNumber(json()),
    }
  }
}

/** Of 15 digits a double loses none, and of an exponent of two none. What looks like such a number may be a text. */
const longNumber = /\d[\d.]{16}|\d[eE][+-]?\d{3}/
let last = { text: '', isLong: false }

/** Asked for each number of an event, and looked for once. */
function hasLongNumber(text: string): boolean {
  if (text !== last.text) last = { text, isLong: longNumber.test(text) }
  return last.isLong
}

function constant(value: unknown): () => Raw {
  const text = JSON.stringify(value)
  return () => ({ value, text: () => text })
}

function isObject(form: unknown): form is Readonly<Record<string, unknown>> {
  return typeof form === 'object' && form !== null && !Array.isArray(form)
}
