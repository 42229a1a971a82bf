/**
 * An event as EventBridge has it. One that came from there is taken as it is; a CloudEvent's type becomes the
 * `detail-type`, its data the `detail`, its subject the one resource.
 *
 * The detail is JSON text, cut out of the event's own: parsed and written again, long numbers would lose digits.
 */
import { memberText } from '../../events/index.ts'
import { ReplayError } from '../errors.ts'
import { eventIdentity } from '../event-identity.ts'
import type { PluginOptions } from '../options.ts'
import type { ReplayEvent } from '../replay-event.ts'

export interface EventBridgeEvent {
  readonly id: string
  readonly source: string
  readonly detailType: string
  /** Undefined where the event has none that is a time. */
  readonly time: Date | undefined
  readonly resources: readonly string[]
  /** JSON text of an object. */
  readonly detail: string
  /** Whether it had this shape already. */
  readonly isOriginal: boolean
}

export interface EventBridgeMapping {
  /** Of events that have none. */
  readonly source: string | undefined
  readonly detailType: string | undefined
  /** What becomes the detail of an event of any other shape. */
  readonly detail: 'data' | 'event'
}

/** For a plugin's help. */
export const mappingOptions = {
  source: 'Source of events that have none',
  detailType: 'Detail type of events that have no type',
  detail:
    'What becomes the detail: `data` of a CloudEvent, or the whole `event`; default: data, and the whole event where it is plain JSON',
} as const

/** Longest that EventBridge takes. */
const detailTypeMax = 128

/** @throws TypeError as `PluginOptions` does; for a detail type that is too long. */
export function readMapping(options: PluginOptions): EventBridgeMapping {
  const source = options.text('source')
  const detailType = options.text('detailType')
  const detail = options.choice('detail', ['data', 'event']) ?? 'data'
  if ((detailType?.length ?? 0) > detailTypeMax)
    throw new TypeError(`Expected \`detailType\` to have ${detailTypeMax} characters at most`)
  return { source, detailType, detail }
}

/** @throws ReplayError `REPLAY_EVENT_REFUSED` where it lacks what EventBridge wants of every event. */
export function eventBridgeEvent(event: ReplayEvent, mapping: EventBridgeMapping): EventBridgeEvent {
  const json = objectOf(event)
  const { source = mapping.source, type = mapping.detailType, subject, time } = event.attributes
  if (source === undefined) throw refused(event, 'has no `source`: give the option `source`')
  if (type === undefined) throw refused(event, 'has no `type`: give the option `detailType`')
  if (type.length > detailTypeMax)
    throw refused(event, `has a type of ${type.length} characters, more than ${detailTypeMax}`)
  const isOriginal = isEventBridge(json)
  return {
    id: event.attributes.id ?? eventIdentity(event),
    source,
    detailType: type,
    time: timeOf(time),
    resources: isOriginal ? textsOf(json.resources) : subject === undefined ? [] : [subject],
    detail: detailOf(event, { json, isOriginal, detail: mapping.detail }),
    isOriginal,
  }
}

type Members = Readonly<Record<string, unknown>>

function objectOf(event: ReplayEvent): Members {
  const { json } = event
  if (isObject(json)) return json
  throw refused(event, 'is no JSON object')
}

function isEventBridge(json: Members): boolean {
  return typeof json['detail-type'] === 'string' && typeof json.source === 'string' && isObject(json.detail)
}

function detailOf(
  event: ReplayEvent,
  { json, isOriginal, detail }: { json: Members; isOriginal: boolean; detail: 'data' | 'event' },
): string {
  if (isOriginal) return memberText(event.text, 'detail')!
  if (detail === 'event' || isPlain(json)) return event.text.trim()
  if (json.data === undefined && json.data_base64 === undefined) return '{}'
  if (isObject(json.data)) return memberText(event.jsonText ?? event.text, 'data')!
  const hint = 'give `detail: event` to send the whole event as the detail'
  throw refused(event, `has data that is no JSON object, as EventBridge wants it: ${hint}`)
}

/** JSON of nobody's shape. */
function isPlain(json: Members): boolean {
  return json.specversion === undefined && json.data === undefined
}

function timeOf(text: string | undefined): Date | undefined {
  const time = new Date(text ?? Number.NaN)
  return Number.isNaN(time.getTime()) ? undefined : time
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refused(event: ReplayEvent, why: string): ReplayError {
  return new ReplayError('REPLAY_EVENT_REFUSED', `${event.place} ${why}`)
}
