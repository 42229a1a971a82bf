/**
 * Cursor notices: how far a consumer has come, told to the recorder, so that retention spares what is still
 * needed. A notice goes straight to the history queue, and no other subscriber sees it.
 *
 * Its form is that of a fence with two more headers: a recorder that does not know it keeps a fence that
 * nobody waits for, and no event.
 */
import type { Message } from '../events/index.ts'
import { fenceIdOf, fenceMessage, newFenceId } from './fence.ts'

export interface CursorNotice {
  readonly consumer: string
  /** Every event at or below this position has been applied. */
  readonly cursor: number
}

const consumerHeader = 'backstory-consumer'
const cursorHeader = 'backstory-cursor'
const nameLengthMax = 255

export function cursorMessage(queue: string, { consumer, cursor }: CursorNotice): Message {
  const message = fenceMessage(queue, newFenceId())
  const headers = { ...message.properties.headers, [consumerHeader]: consumer, [cursorHeader]: cursor }
  return { ...message, properties: { ...message.properties, headers } }
}

/** What a notice tells, undefined for every other message. */
export function cursorNoticeOf(message: Message): CursorNotice | undefined {
  if (fenceIdOf(message) === undefined) return undefined
  const { [consumerHeader]: consumer, [cursorHeader]: stated } = message.properties.headers!
  const cursor = typeof stated === 'string' && /^\d{1,16}$/.test(stated) ? Number(stated) : stated
  const isNamed = typeof consumer === 'string' && consumer !== '' && consumer.length <= nameLengthMax
  if (!isNamed || typeof cursor !== 'number' || !Number.isSafeInteger(cursor) || cursor < 0) return undefined
  return { consumer, cursor }
}
