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

/** What a line holds; undefined where it is no failure line. */
export function readFailureLine(
  line: string,
):
  | { readonly text: string; readonly position: number; readonly rules: readonly string[] | undefined }
  | undefined {
  if (!line.startsWith(start)) return undefined
  let parsed: {
    [failureKey]: { position: number; causes: readonly FailureCause[] }
    text?: string
    event?: unknown
  }
  try {
    parsed = JSON.parse(line)
  } catch {
    return undefined
  }
  const { position, causes } = parsed[failureKey]
  const rules = causes.map(({ rule }) => rule)
  return {
    position,
    // As it was written, every digit of it. No text before it can hold the key: its quotes would be escaped.
    text: parsed.text ?? line.slice(line.indexOf(eventKey) + eventKey.length, line.lastIndexOf('}')),
    rules: rules.includes(undefined) ? undefined : (rules as string[]),
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
