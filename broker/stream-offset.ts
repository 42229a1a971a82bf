/** Where a message stands in its stream: RabbitMQ adds that to each that it hands out, as a header. */
import type { Message, Properties } from '../events/index.ts'

const header = 'x-stream-offset'

/** Undefined for a message that came from a queue. */
export function streamOffsetOf({ properties }: Message): number | undefined {
  const offset = properties.headers?.[header]
  return typeof offset === 'number' ? offset : undefined
}

/** The properties as they were published. Whether there was a table of headers at all, nobody knows. */
export function withoutStreamOffset(properties: Properties): Properties {
  const { [header]: _offset, ...headers } = properties.headers ?? {}
  for (const _ in headers) return { ...properties, headers }
  return { ...properties, headers: undefined }
}
