/** A queue of RabbitMQ: looked at, or emptied. */

import { BrokerPlace, brokerOption } from '../amqp/broker-place.ts'
import { PluginOptions } from '../options.ts'
import type { PluginTarget, Source, SourcePlugin } from '../source.ts'
import { QueueSource } from './amqp/queue-source.ts'

export const source: SourcePlugin = {
  address: 'queue:NAME',
  summary: 'A queue of RabbitMQ: looked at, its messages given back at the end; or emptied, with take',
  options: {
    ...brokerOption,
    take: 'true takes each message out of the queue once it is done with; default false',
    limit: 'Most messages that are looked at, 1 to 65535; default 2000, and a queue with more is refused',
    prefetch: 'With take: messages in hand at a time, 2 to 65535; default 2000',
    idle: 'With take: ends when nothing has come for so many seconds; default: with what was there when it began',
    returns: 'Refuses to look at a message that a quorum queue has taken back so often; default 10',
  },
  create: createQueueSource,
}

const limitDefault = 2_000
const deliveriesMax = 65_535

async function createQueueSource(target: PluginTarget): Promise<Source> {
  const { address, context } = target
  const name = address.slice('queue:'.length)
  if (name === '') throw new TypeError(`${address} names no queue`)
  const options = new PluginOptions(target)
  const place = new BrokerPlace(options, context)
  const take = options.flag('take') ?? false
  const limit = options.whole('limit', { min: 1, max: deliveriesMax })
  const prefetch = options.whole('prefetch', { min: 2, max: deliveriesMax })
  const idleSeconds = options.whole('idle', { min: 1, max: 86_400 })
  const returns = options.whole('returns', { min: 1 })
  options.end()
  for (const [option, given] of Object.entries({ prefetch, idle: idleSeconds })) {
    if (given !== undefined && !take) throw new TypeError(`${address} has \`${option}\` with take=true alone`)
  }
  // Whether that is on this machine is asked before it is opened.
  if (take) await place.locate()
  return new QueueSource({
    queue: name,
    place,
    take,
    limit: limit ?? limitDefault,
    isLimited: limit !== undefined,
    prefetch: prefetch ?? 2_000,
    idleMs: idleSeconds === undefined ? undefined : idleSeconds * 1_000,
    returnsMax: returns ?? 10,
  })
}
