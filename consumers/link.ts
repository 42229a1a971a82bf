/**
 * What the hand-over needs of a broker, so that it runs on RabbitMQ and in a simulation alike.
 */
import type { CloudEvent } from '../events/index.ts'

export interface Link {
  /**
   * Declares and binds the consumer's queue; the queue keeps what is routed from here on. False where it is
   * not known yet how: the exchange is somebody else's, and no recorder has bound it.
   */
  bind(): Promise<boolean>
  /** Sends a fence straight to the history queue or to the consumer's own; resolves when confirmed. */
  fence(queue: 'history' | 'own', id: string): Promise<void>
  /** Tells the recorder how far the consumer has come; resolves when confirmed, at once where it cannot be. */
  tellCursor(cursor: number): Promise<void>
  /** Consumes the consumer's queue. */
  consume(): Promise<LiveSession>
}

/** Deliveries of one channel, until it is gone. */
export interface LiveSession {
  readonly isOpen: boolean
  /** Resolves when there is a delivery, when the session is gone, or after `waitMsMax`. */
  ready(waitMsMax: number): Promise<void>
  /** Takes the next deliveries, in order, as many as there are up to `max`. */
  take(max: number): LiveDelivery[]
  /** Acknowledges this delivery and all before it. Does nothing once the session is gone. */
  ackUpTo(deliveryTag: number): void
  /** Why the session is gone; undefined after `close()`. */
  readonly cause: Error | undefined
  /** What is not acknowledged goes back to the queue, in order. */
  close(): Promise<void>
}

export interface LiveDelivery {
  readonly deliveryTag: number
  /** The id of a fence; undefined for an event. */
  readonly fence: string | undefined
  /** Undefined for a fence, and for a message without identity: it is applied from the history. */
  readonly event: CloudEvent | undefined
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** 0 lets what else is due in this process take its turn. */
  sleep(ms: number): Promise<void>
}
