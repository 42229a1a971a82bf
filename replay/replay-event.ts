/**
 * An event on its way through a replay: what a source read, as JSON text, looked at only as far as it is asked.
 *
 * Patterns, mappings and templates see `json`, in whatever shape the source holds it. `attributes` says what
 * the shape calls an event's identity, type, subject and time.
 */

import type { Message } from '../events/index.ts'
import type { EventAttributes } from './event-attributes.ts'
import type { FailureCause } from './failure-cause.ts'

export interface PublishedMessage {
  readonly id: string
  readonly source: string
  readonly message: Message
  /** The number of its erasure, where its history has emptied it. */
  readonly erased?: number | undefined
}

export interface ReplayEvent {
  /** The history's position, or the event's number in its source: 1, 2, 3 … Grows. */
  readonly position: number
  /** Where it is, for people: `position 17`, `orders.jsonl, event 17`. */
  readonly place: string
  /** A source that is asked to read behind this token goes on with the next event. */
  readonly token: string
  /** As the source holds it; one line where the source's own is. */
  readonly text: string
  /** About what it takes in memory, where the text need not be made to know. Default: the length of the text. */
  readonly length?: number
  /** What RabbitMQ has carried, where the source has it: what the text says of it, without a way there and back. */
  readonly published?: PublishedMessage
  /** @throws ReplayError `REPLAY_EVENT_UNREADABLE` where the source's bytes are no JSON. */
  readonly json: unknown
  /**
   * The text that `json` was parsed from, where it may be another than `text`: with a body that stands in base64
   * there as JSON. Asked for only where `json` could be parsed. Default: `text`.
   */
  readonly jsonText?: string
  /** @throws ReplayError `REPLAY_EVENT_UNREADABLE`, as `json`. */
  readonly attributes: EventAttributes
  /**
   * Set where it is read back from a failures file: what it failed of. Only the rules that failed with it see it
   * again; where one cause has none, the event could not be read, and each rule sees it.
   */
  readonly causes?: readonly FailureCause[]
}
