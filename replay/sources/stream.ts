/** A stream of RabbitMQ, read and left as it is. */
import { BrokerPlace, brokerOption } from '../amqp/broker-place.ts'
import { PluginOptions } from '../options.ts'
import type { PluginTarget, Source, SourcePlugin } from '../source.ts'
import { StreamSource } from './amqp/stream-source.ts'

export const source: SourcePlugin = {
  address: 'stream:NAME',
  summary: 'A stream of RabbitMQ, from any offset to its end',
  options: {
    ...brokerOption,
    begin:
      'first, last (the newest chunk of messages), next, an offset, or a time: the chunk that it falls into. Default first',
    idle: 'Ends when nothing has come for so many seconds; default: with what was there when it began',
    prefetch: 'Messages in hand at a time, 1 to 65535; default 2000',
  },
  create: createStreamSource,
}

function createStreamSource(target: PluginTarget): Source {
  const { address, context } = target
  const name = address.slice('stream:'.length)
  if (name === '') throw new TypeError(`${address} names no stream`)
  const options = new PluginOptions(target)
  const place = new BrokerPlace(options, context)
  const begin = beginOf(address, options.any('begin') ?? 'first')
  const idleSeconds = options.whole('idle', { min: 1, max: 86_400 })
  const prefetch = options.whole('prefetch', { min: 1, max: 65_535 }) ?? 2_000
  options.end()
  if (begin === 'next' && idleSeconds === undefined) {
    throw new TypeError(`${address} begins behind its end: say by \`idle\` how long to wait`)
  }
  const idleMs = idleSeconds === undefined ? undefined : idleSeconds * 1_000
  return new StreamSource({ stream: name, place, begin, idleMs, prefetch })
}

function beginOf(address: string, begin: unknown): number | 'first' | 'last' | 'next' | Date {
  if (begin === 'first' || begin === 'last' || begin === 'next') return begin
  const offset = typeof begin === 'string' && /^\d+$/.test(begin) ? Number(begin) : begin
  if (Number.isSafeInteger(offset) && (offset as number) >= 0) return offset as number
  const time = new Date(typeof begin === 'string' ? begin : Number.NaN)
  if (!Number.isNaN(time.getTime())) return time
  throw new TypeError(`${address} wants \`begin\` to be first, last, next, an offset or a time`)
}
