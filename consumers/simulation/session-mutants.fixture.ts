/**
 * Tampering with a live session.
 */
import type { Link, LiveDelivery, LiveSession } from '../link.ts'

export function overSession(
  session: LiveSession,
  take: (session: LiveSession) => LiveSession['take'],
): LiveSession {
  return {
    get isOpen() {
      return session.isOpen
    },
    get cause() {
      return session.cause
    },
    ready: (waitMsMax) => session.ready(waitMsMax),
    take: take(session),
    ackUpTo: (deliveryTag) => session.ackUpTo(deliveryTag),
    close: () => session.close(),
  }
}

/** A fence to the consumer's own queue comes out at once, before what the queue holds. */
export function answeringOwnFences(link: Link, { onlyFirst = false } = {}): Link {
  let answered: string | undefined
  let answers: LiveDelivery[] = []
  return {
    bind: () => link.bind(),
    async fence(queue, id) {
      if (queue === 'history' || (onlyFirst && answered !== undefined)) await link.fence(queue, id)
      else {
        answered = id
        answers.push({ deliveryTag: 0, fence: id, event: undefined })
      }
    },
    tellCursor: (cursor) => link.tellCursor(cursor),
    async consume() {
      answered = undefined
      answers = []
      return overSession(await link.consume(), (session) => (max) => [
        ...answers.splice(0),
        ...session.take(max),
      ])
    },
  }
}
