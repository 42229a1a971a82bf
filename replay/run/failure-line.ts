/**
 * A failed event as a line of a failures file: why it failed, and the event as its source held it. Sources of
 * JSON read such lines as the events that are in them.
 */
import { isJsonText } from '../../events/index.ts'
import type { FailureKind } from '../action.ts'

export interface FailedEvent {
  readonly position: number
  readonly place: string
  readonly text: string
  /** In the rules' order; several where several rules picked it. */
  readonly causes: readonly FailureCause[]
}

export interface FailureCause {
  /** Undefined where the event could not be read, so that no rule has seen it. */
  readonly rule: string | undefined
  /** `held`: an event of the same key before it had failed. */
  readonly kind: FailureKind | 'held'
  readonly code: string
  readonly message: string
  readonly attempts: number
}

/** With its line break. */
export function failureLine({ position, place, text, causes }: FailedEvent): string {
  const failure = JSON.stringify({ position, place, causes })
  return `${start}${failure}${memberOf(text)}}\n`
}

/** An event that is read back. */
export interface FailedLine {
  readonly position: number
  readonly place: string
  readonly text: string
  /** That have failed with it; undefined where no rule has seen it. */
  readonly rules: readonly string[] | undefined
}

/** What a line holds; undefined where it is no failure line. */
export function readFailureLine(line: string): FailedLine | undefined {
  if (!line.startsWith(start)) return undefined
  const { [failureKey]: failure, text, event } = parsed(line)
  const { position, place, causes } = (failure ?? {}) as Partial<FailedEvent>
  if (!Number.isSafeInteger(position) || typeof place !== 'string' || !Array.isArray(causes)) return undefined
  if (typeof text !== 'string' && event === undefined) return undefined
  const rules = causes.map((cause: Partial<FailureCause> | null) => cause?.rule)
  return {
    position: position!,
    place,
    // As it was written, every digit of it. No text before it can hold the key: its quotes would be escaped.
    text:
      typeof text === 'string'
        ? text
        : line.slice(line.indexOf(eventKey) + eventKey.length, line.lastIndexOf('}')),
    rules: rules.every((rule) => typeof rule === 'string') ? rules : undefined,
  }
}

function parsed(line: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(line)
  } catch {
    return {}
  }
}

const failureKey = 'backstoryfailure'
const start = `{"${failureKey}":`
const eventKey = ',"event":'

/** JSON on one line stands as it was written; anything else is said as a text. */
function memberOf(text: string): string {
  const isLine = !text.includes('\n') && !text.includes('\r') && isJsonText(text)
  return isLine ? `${eventKey}${text}` : `,"text":${JSON.stringify(text)}`
}
