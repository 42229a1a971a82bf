/** A publisher without a broker: keeps what it is given, and confirms a moment later. */
import type { OrderPublisher } from './announcer.ts'

export type PublishedEvent = Parameters<OrderPublisher['publish']>[0]

export interface RecordingPublisher extends OrderPublisher {
  readonly events: PublishedEvent[]
  /** The most publishes that were waiting for a confirm at once. */
  inFlightMax: number
}

/** @param options.refuse - Says which events are not confirmed. */
export function recordingPublisher({
  refuse = () => false,
}: {
  refuse?: (event: PublishedEvent) => boolean
} = {}): RecordingPublisher {
  let inFlight = 0
  const publisher: RecordingPublisher = {
    events: [],
    inFlightMax: 0,
    async publish(event) {
      inFlight++
      publisher.inFlightMax = Math.max(publisher.inFlightMax, inFlight)
      await new Promise((resolve) => setImmediate(resolve))
      inFlight--
      if (refuse(event)) throw Object.assign(new Error('not confirmed'), { code: 'PUBLISH_UNCONFIRMED' })
      publisher.events.push(event)
    },
  }
  return publisher
}
