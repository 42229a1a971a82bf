/**
 * A channel of a broker connection, from its opening until it is gone; never reopened.
 *
 * Delivery tags die with the channel that issued them, so an acknowledgement goes to the channel that
 * delivered, or nowhere. Whatever ends the channel (its own error, the connection, a deleted queue)
 * ends it once, and `closed` tells why.
 */
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Channel, ConfirmChannel, ConsumeMessage, Options } from 'amqplib'
import type { Message, Properties } from '../events/index.ts'
import { answered } from './answer.ts'
import { BrokerError, replyCodeOf, replyCodes } from './errors.ts'
import { publishedProperties, returnsOf } from './published.ts'

/** A message on its way from a queue. */
export interface Delivery extends Message {
  /** Valid on the channel that delivered, and only there. */
  readonly deliveryTag: number
  /** True where the broker has handed this message out before. */
  readonly redelivered: boolean
  /** How often a quorum queue has taken it back before; 0 where that is not told. */
  readonly returns: number
}

/** Where in a stream to begin: an offset, or about a time, which is the chunk of messages that it falls into. */
export type StreamStart = number | 'first' | 'last' | 'next' | Date

export class BrokerChannel {
  /** Resolves when the channel is gone: with the reason, or undefined after `close()`. */
  readonly closed: Promise<Error | undefined>
  readonly #channel: ConfirmChannel
  #open = true
  #closing = false
  #acknowledged = 0
  #cause: Error | undefined
  #settleClosed!: (cause: Error | undefined) => void
  #onDrain: (() => void)[] = []

  constructor(channel: Channel | ConfirmChannel) {
    this.#channel = channel as ConfirmChannel
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve
    })
    // Without these listeners amqplib turns a channel's error into a lost connection.
    channel.on('error', (error) => this.#note(error))
    channel.on('handler-error', (error) => this.#fail(error))
    channel.on('drain', () => this.#endDrain())
    channel.on('close', () => this.#end())
  }

  /** False from the moment that it begins to close. */
  get isOpen(): boolean {
    return this.#open && !this.#closing
  }

  /** The client's channel, for declarations. */
  get raw(): ConfirmChannel {
    return this.#channel
  }

  /** Calls `listener` for each mandatory message that no queue took; the confirm follows it. */
  onReturn(listener: (properties: Properties) => void): void {
    this.#channel.on('return', (message) => listener(message.properties as Properties))
  }

  /**
   * Calls `listener` for each answer of the broker to publishes on a confirm channel: it has taken
   * (`accepted`) or refused the publish of that tag, or all up to it (`multiple`). Tags count the
   * publishes of this channel from 1. Once the channel is gone no more answers come, and whether the
   * broker has what was left open is not known.
   */
  onConfirm(listener: (tag: number, answer: { multiple: boolean; accepted: boolean }) => void): void {
    this.#channel.on('ack', ({ deliveryTag, multiple }) =>
      listener(deliveryTag, { multiple, accepted: true }),
    )
    this.#channel.on('nack', ({ deliveryTag, multiple }) =>
      listener(deliveryTag, { multiple, accepted: false }),
    )
  }

  /**
   * Sends a message, mandatory and as its properties say.
   *
   * @returns false when the write buffer is full; the message is sent all the same. Await `drained()`.
   */
  publish({ exchange, routingKey, properties, body }: Message): boolean {
    return this.#channel.publish(exchange, routingKey, body, publishOptions(properties))
  }

  /** Resolves when the write buffer has emptied or the channel is gone, whichever comes first. */
  async drained(): Promise<void> {
    if (this.#open) await new Promise<void>((resolve) => this.#onDrain.push(resolve))
  }

  /**
   * Consumes a queue. A deleted queue, or any other cancel by the broker, ends the channel with
   * `BROKER_QUEUE_LOST`.
   *
   * @param options.prefetch - Deliveries not acknowledged at a time, 1 to 65535; quorum queues of
   *   RabbitMQ 4.3 and later cap it at 2,000.
   * @param options.from - Of a stream: where to begin.
   * @throws BrokerError `BROKER_QUEUE_LOST` no such queue; `BROKER_ACCESS_REFUSED`; `BROKER_CHANNEL_LOST`.
   */
  async consume(
    queue: string,
    {
      prefetch,
      from,
      onDelivery,
    }: {
      prefetch: number
      from?: StreamStart
      onDelivery: (delivery: Delivery) => void
    },
  ): Promise<void> {
    try {
      await this.#channel.prefetch(prefetch)
      const options = from === undefined ? {} : { arguments: { 'x-stream-offset': offsetArgument(from) } }
      const onMessage = (message: ConsumeMessage | null) => {
        if (message !== null) onDelivery(toDelivery(message))
        else
          this.#fail(new BrokerError('BROKER_QUEUE_LOST', `The broker ended the consumer of queue ${queue}`))
      }
      const consuming = this.#channel.consume(queue, onMessage, options)
      await answered(`to consume ${queue}`, consuming)
    } catch (cause) {
      throw consumeError(queue, cause)
    }
  }

  /** Acknowledges every delivery up to and with this tag. Does nothing once the channel is gone. */
  ackUpTo(deliveryTag: number): void {
    // Acknowledging a tag twice is a protocol error that costs the channel.
    if (!this.isOpen || deliveryTag <= this.#acknowledged) return
    this.#acknowledged = deliveryTag
    try {
      this.#channel.ack({ fields: { deliveryTag } } as ConsumeMessage, true)
    } catch {
      // Its connection is closing: `closed` tells in a moment.
    }
  }

  /**
   * Resolves when the queue has taken in the acknowledgements sent on this channel before.
   *
   * @throws the client's error where the channel ends first.
   */
  async settled(queue: string): Promise<void> {
    // A passive declare asks the queue itself, and its answer comes after what was sent before it.
    await answered(`to look at ${queue}`, this.#channel.checkQueue(queue))
  }

  /** How many messages wait in a queue. @throws the client's error where there is no such queue. */
  async count(queue: string): Promise<number> {
    const { messageCount } = await answered(`to look at ${queue}`, this.#channel.checkQueue(queue))
    return messageCount
  }

  /** Closes the channel; what was not acknowledged goes back to the front of its queue, in order. */
  async close(): Promise<void> {
    if (!this.#open) return
    this.#closing = true
    // Where the connection is lost before the broker has answered, the client's promise never settles;
    // where it was closing already, it rejects. `closed` tells of both.
    const giveUp = new AbortController()
    const silence = sleep(closeTimeoutMs, undefined, { signal: giveUp.signal }).catch(() => {})
    await Promise.race([this.#channel.close().catch(() => {}), this.closed, silence])
    giveUp.abort()
    this.#end()
  }

  /**
   * Gives up the channel and its connection without a word, where the broker answers no more; the
   * connection is made anew.
   */
  abandon(reason: Error): void {
    const { stream } = this.#channel.connection as unknown as { stream: Socket }
    stream.destroy(reason)
  }

  #note(error: Error): void {
    this.#cause ??= error
  }

  #fail(error: Error): void {
    this.#note(error)
    void this.close()
  }

  #endDrain(): void {
    for (const resume of this.#onDrain.splice(0)) resume()
  }

  #end(): void {
    if (!this.#open) return
    this.#open = false
    this.#endDrain()
    this.#settleClosed(this.#cause)
  }
}

const closeTimeoutMs = 2_000

function offsetArgument(from: StreamStart): unknown {
  return from instanceof Date ? { '!': 'timestamp', value: Math.floor(from.getTime() / 1_000) } : from
}

function consumeError(queue: string, cause: unknown): BrokerError {
  if (cause instanceof BrokerError) return cause
  switch (replyCodeOf(cause)) {
    case replyCodes.notFound:
      return new BrokerError('BROKER_QUEUE_LOST', `Queue ${queue} is gone`, { cause })
    case replyCodes.accessRefused:
      return new BrokerError('BROKER_ACCESS_REFUSED', `Queue ${queue} may not be consumed by this user`, {
        cause,
      })
    default:
      return new BrokerError('BROKER_CHANNEL_LOST', `The channel ended before queue ${queue} was consumed`, {
        cause,
      })
  }
}

/** Named one by one: a spread makes an object that the client reads three times as slowly. */
function publishOptions(properties: Properties): Options.Publish {
  return {
    mandatory: true,
    contentType: properties.contentType,
    contentEncoding: properties.contentEncoding,
    headers: properties.headers,
    deliveryMode: properties.deliveryMode,
    priority: properties.priority,
    correlationId: properties.correlationId,
    replyTo: properties.replyTo,
    expiration: properties.expiration,
    messageId: properties.messageId,
    timestamp: properties.timestamp,
    type: properties.type,
    userId: properties.userId,
    appId: properties.appId,
  }
}

function toDelivery({ fields, properties, content }: ConsumeMessage): Delivery {
  return {
    deliveryTag: fields.deliveryTag,
    redelivered: fields.redelivered,
    returns: fields.redelivered ? returnsOf(properties as Properties) : 0,
    exchange: fields.exchange,
    routingKey: fields.routingKey,
    properties: publishedProperties(properties as Properties),
    body: content,
  }
}
