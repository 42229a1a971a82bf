/** Publishes events to an exchange or straight into a queue, confirmed. */
import { type Broker, replyCodeOf } from '../../../broker/index.ts'
import { type Headers, type HeaderValue, textOf } from '../../../events/index.ts'
import type { Action, ActOptions, Outcome, PlannedWrite } from '../../action.ts'
import { asked, BrokerPlace, brokerOption } from '../../amqp/broker-place.ts'
import { ReplayError } from '../../errors.ts'
import { PluginOptions } from '../../options.ts'
import type { ReplayEvent } from '../../replay-event.ts'
import type { PluginTarget } from '../../source.ts'
import { ConfirmedSender } from './confirmed-sender.ts'
import { type MessageOptions, type ReplayedMessage, replayedMessage } from './replayed-message.ts'

export const publishOptions = {
  ...brokerOption,
  headers: 'More headers: an object of texts, numbers and booleans',
  type: 'Type of events that state none, which are refused otherwise',
  source: 'Source of events that state none; default /backstory/replay',
  userId: '`drop` leaves out the property user-id, which RabbitMQ takes from that user alone; default keep',
  overtake:
    'true sends on before earlier events of the same key are confirmed: faster, and where one is refused, those behind it may be ahead of it',
}

/**
 * @param kind - What the address names.
 * @throws TypeError for options that it cannot take.
 */
export async function createPublishAction(target: PluginTarget, kind: 'exchange' | 'queue'): Promise<Action> {
  const { address, context } = target
  const name = address.slice(kind.length + 1)
  if (name === '') throw new TypeError(`${address} names no ${kind}`)
  const options = new PluginOptions(target)
  const place = new BrokerPlace(options, context)
  const routingKey = kind === 'exchange' ? options.text('routingKey') : name
  const headers = headersOf(address, options.object('headers') ?? {})
  const message = {
    exchange: kind === 'exchange' ? name : '',
    routingKey,
    headers,
    type: options.text('type'),
    source: options.text('source') ?? '/backstory/replay',
    keepsUserId: options.choice('userId', ['keep', 'drop']) !== 'drop',
    runId: context.runId,
  }
  const overtake = options.flag('overtake') ?? false
  options.end()
  await place.locate()
  return new PublishAction({ kind, name, place, message, overtake })
}

function headersOf(address: string, given: Readonly<Record<string, unknown>>): Headers {
  for (const [name, value] of Object.entries(given)) {
    if (/^(ce|backstory)-/.test(name)) {
      throw new TypeError(`${address} sets the header ${name} itself: name others`)
    }
    const isPlain = ['string', 'boolean'].includes(typeof value) || Number.isFinite(value)
    if (!isPlain) throw new TypeError(`${address} wants the header ${name} to be a text, number or boolean`)
  }
  return given as Record<string, HeaderValue>
}

interface PublishOptions {
  readonly kind: 'exchange' | 'queue'
  readonly name: string
  readonly place: BrokerPlace
  readonly message: MessageOptions
  readonly overtake: boolean
}

class PublishAction implements Action<ReplayedMessage> {
  readonly batchMax = 1_000
  /** Whoever receives it knows it again by its identity, or does not: that is not known here. */
  readonly isIdempotent = false
  readonly stopsAtFailure = true
  readonly #options: PublishOptions
  #broker: Broker | undefined
  #sender: ConfirmedSender | undefined

  constructor(options: PublishOptions) {
    this.#options = options
  }

  get name(): string {
    const { kind, name, place } = this.#options
    return `${kind} ${name} of ${place.address}`
  }

  get isLocal(): boolean {
    return this.#options.place.isLocal
  }

  prepare(event: ReplayEvent): ReplayedMessage {
    return replayedMessage(event, this.#options.message)
  }

  describe({ message, isErased }: ReplayedMessage): PlannedWrite {
    if (isErased) return { kind: 'text', to: this.name, text: 'Nothing: it was erased' }
    const { exchange, routingKey, properties, body } = message
    return {
      kind: 'message',
      exchange,
      routingKey,
      headers: properties.headers ?? {},
      body: textOf(body) ?? body.toString('base64'),
    }
  }

  async open(): Promise<void> {
    const { kind, name, place } = this.#options
    const unavailable = (message: string, cause: unknown) =>
      new ReplayError('REPLAY_ACTION_UNAVAILABLE', message, { cause })
    this.#broker = await asked(() => place.connect(), unavailable)
    const channel = await asked(() => this.#broker!.openChannel(), unavailable)
    try {
      await (kind === 'exchange' ? channel.raw.checkExchange(name) : channel.raw.checkQueue(name))
    } catch (cause) {
      const missing = replyCodeOf(cause) === 404
      const why = missing ? `There is no ${kind} ${name}; name another` : (cause as Error).message
      throw unavailable(why, cause)
    } finally {
      await channel.close()
    }
    this.#sender = new ConfirmedSender(this.#broker)
  }

  async act(
    batch: readonly ReplayedMessage[],
    { signal, keys = [] }: ActOptions,
  ): Promise<readonly Outcome[]> {
    const whole = batch.flatMap((one, at) => (one.isErased ? [] : { one, key: keys[at] }))
    const messages = whole.map(({ one }) => one)
    const waitFor = this.#options.overtake ? [] : whole.map(({ key }) => key)
    const told = whole.length === 0 ? [] : await this.#sender!.send(messages, { keys: waitFor, signal })
    const outcomes: Outcome[] = []
    let next = 0
    for (const { isErased } of batch) {
      const outcome = isErased ? 'skipped' : told[next++]
      if (outcome === undefined) break
      outcomes.push(outcome)
    }
    return outcomes
  }

  async close(): Promise<void> {
    await this.#sender?.close()
    await this.#broker?.close()
    this.#sender = undefined
    this.#broker = undefined
  }
}
