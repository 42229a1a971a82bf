/**
 * A failed event as a line of a failures file: why it failed, and the event as its source held it. Sources of
 * JSON read such lines as the events that are in them.
 */

import { isJsonText, memberText } from '../../events/index.ts'
import type { FailureCause } from '../failure-cause.ts'

export interface FailedEvent {
  readonly position: number
  readonly place: string
  readonly text: string
  /** In the rules' order; several where several rules picked it. */
  readonly causes: readonly FailureCause[]
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
  /** As they stand there. */
  readonly causes: readonly FailureCause[]
}

/** What a line holds, also where another writer of JSON has written it again; undefined where it is no failure line. */
export function readFailureLine(line: string): FailedLine | undefined {
  if (!beginsFailureLine(line)) return undefined
  const members = parsed(line)
  const { [failureKey]: failure, text, event } = members
  const { position, place, causes } = (failure ?? {}) as Partial<FailedEvent>
  if (!Number.isSafeInteger(position) || typeof place !== 'string' || !Array.isArray(causes)) return undefined
  if (typeof text !== 'string' && event === undefined) return undefined
  return {
    position: position!,
    place,
    text: typeof text === 'string' ? text : eventText(line, members),
    causes: causes.map(causeFrom),
  }
}

/** Another hand may have written it. */
function causeFrom(written: unknown): FailureCause {
  const { rule, kind, code, message, attempts } = (written ?? {}) as Partial<FailureCause>
  return {
    rule: typeof rule === 'string' ? rule : undefined,
    kind: kind ?? 'refused',
    code: String(code ?? ''),
    message: String(message ?? ''),
    attempts: attempts ?? 1,
  }
}

/** Whether it does; its first 100 bytes say it. */
export function beginsFailureLine(text: string): boolean {
  return text.startsWith(start) || beginning.test(text)
}

/** As it was written, every digit of it. */
function eventText(line: string, members: Readonly<Record<string, unknown>>): string {
  const own = `${start}${JSON.stringify(members[failureKey])}${eventKey}`
  const isOwn = Object.keys(members).length === 2 && line.startsWith(own) && line.endsWith('}')
  // A line of our own need not be looked through.
  return isOwn ? line.slice(own.length, -1) : memberText(line, 'event')!
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
const beginning = /^\{\s*"backstoryfailure"\s*:/
const eventKey = ',"event":'

/** JSON on one line stands as it was written; anything else is said as a text. */
function memberOf(text: string): string {
  const isLine = !text.includes('\n') && !text.includes('\r') && isJsonText(text)
  return isLine ? `${eventKey}${text}` : `,"text":${JSON.stringify(text)}`
}
