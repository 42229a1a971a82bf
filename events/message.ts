/**
 * A message: what RabbitMQ carries, as it was published, in AMQP 0-9-1's own terms.
 *
 * Header values are those of the AMQP client: numbers, text, booleans, null, Buffers, arrays and
 * tables, and `{ '!': 'timestamp' | 'decimal', value }` for the two types that JavaScript has no
 * value for. AMQP's integer widths all become `number`.
 */

export type HeaderValue =
  | string
  | number
  | boolean
  | null
  | Buffer
  | readonly HeaderValue[]
  | { readonly [key: string]: HeaderValue }

export type Headers = { readonly [name: string]: HeaderValue }

/** The basic properties of AMQP 0-9-1; an absent one is undefined. */
export interface Properties {
  readonly contentType?: string
  readonly contentEncoding?: string
  readonly headers?: Headers
  /** 2 is persistent. */
  readonly deliveryMode?: number
  readonly priority?: number
  readonly correlationId?: string
  readonly replyTo?: string
  /** Milliseconds, as text. */
  readonly expiration?: string
  readonly messageId?: string
  /** Seconds since 1970. */
  readonly timestamp?: number
  readonly type?: string
  readonly userId?: string
  readonly appId?: string
  readonly clusterId?: string
}

export interface Message {
  readonly exchange: string
  readonly routingKey: string
  readonly properties: Properties
  readonly body: Buffer
}
