/**
 * The logger for people: what the toolkit tells, in short lines.
 *
 * No line comes again within five seconds, so that a broker that is away fills no screen, and
 * an error that ends the command is left to the line that it ends with.
 */
import type { Logger } from '../../events/index.ts'
import { type Screen, type Style, visibleLine } from './screen.ts'

type Fields = Readonly<Record<string, unknown>>
type Level = keyof Logger

/** What people are told of an event; `undefined` is nothing. */
const sentences: Readonly<Record<string, ((fields: Fields) => string) | undefined>> = {
  'broker.connected': ({ address }) => `Connected to RabbitMQ at ${address}`,
  'broker.disconnected': ({ error }) => `The connection to RabbitMQ is lost (${error}); connecting again`,
  'broker.unreachable': ({ address, error }) =>
    `RabbitMQ at ${address} does not answer (${error}); trying again until it does`,
  'broker.blocked': ({ reason }) => `RabbitMQ takes no publishes now (${reason}); waiting`,
  'broker.unblocked': () => 'RabbitMQ takes publishes again',
  'publisher.interrupted': ({ error }) => `Publishing is interrupted (${error}); trying again`,
  'publisher.failed': undefined,
  'line.rejected': ({ line, error }) =>
    line === undefined ? `Rejected: ${error}` : `Line ${line}: ${error}`,
  'recorder.standby': ({ history }) => `Another recorder writes ${history}; standing by`,
  'recorder.recording': ({ exchange, head }) => `Recording ${exchange} from position ${Number(head) + 1} on`,
  'recorder.interrupted': ({ error }) => `Recording is interrupted (${error}); trying again`,
  'recorder.holding': ({ error }) => `The history cannot be written (${error}); the broker keeps the rest`,
  'recorder.failed': undefined,
  'adoption.adopting': ({ queue, head }) => `Adopting ${queue} from position ${Number(head) + 1} on`,
  'adoption.interrupted': ({ error }) => `Adopting is interrupted (${error}); trying again`,
  'adoption.truncated': ({ queue, offset, missing }) =>
    `Stream ${queue} has dropped up to ${missing} messages from offset ${offset} on`,
  'adoption.holding': ({ error }) => `The history cannot be written (${error}); trying again`,
  'adoption.failed': undefined,
  'relay.standby': ({ exchange }) => `Another relay has the outbox of ${exchange}; standing by`,
  'relay.relaying': ({ exchange }) => `Relaying the outbox of ${exchange}`,
  'relay.retrying': ({ error }) => `${error}; trying again`,
  'relay.holding': ({ error }) => `The outbox cannot be read or written (${error}); trying again`,
  'relay.failed': undefined,
  'consumer.live': ({ consumer, cursor }) => `Consumer ${consumer} goes live at position ${cursor}`,
  'consumer.waiting': ({ consumer, waitingFor, error }) =>
    `Consumer ${consumer} waits for the ${waitingFor}${error === undefined ? '' : ` (${error})`}`,
  'consumer.gap': ({ consumer, position }) =>
    `Consumer ${consumer} lost position ${position} from its queue; the history brings it back`,
  'consumer.interrupted': ({ consumer, error }) =>
    `Consumer ${consumer} is interrupted${error === undefined ? '' : ` (${error})`}; trying again`,
  'consumer.store-unavailable': ({ consumer, error }) =>
    `The store of consumer ${consumer} cannot be written (${error}); trying again`,
  'consumer.failed': undefined,
  'search.unjudged': ({ position, error }) => `Position ${position} is left out: ${error}`,
  'handler.failed': ({ id, source, type, attempt, error }) =>
    `The handler failed on event ${id} of ${source} (${type}), try ${attempt}: ${error}`,
  'handler.gave-up': undefined,
}

const styles: Readonly<Record<Level, Style | undefined>> = {
  debug: 'dim',
  info: undefined,
  warn: 'yellow',
  error: 'red',
}

const repeatMs = 5_000
const rememberedMax = 100

export function peopleLogger({
  screen,
  verbose = false,
  now = Date.now,
}: {
  screen: Screen
  verbose?: boolean
  now?: () => number
}): Logger {
  const toldAt = new Map<string, number>()
  return levels((level, event, fields) => {
    if (level === 'debug' && !verbose) return
    const text = sentenceOf(event, fields)
    if (text === undefined) return
    const at = now()
    if (at - (toldAt.get(text) ?? Number.NEGATIVE_INFINITY) < repeatMs) return
    if (toldAt.size >= rememberedMax) toldAt.clear()
    toldAt.set(text, at)
    const style = styles[level]
    screen.line(style === undefined ? text : screen.paint(style, text))
  })
}

function levels(log: (level: Level, event: string, fields: Fields) => void): Logger {
  return {
    debug: (event, fields = {}) => log('debug', event, fields),
    info: (event, fields = {}) => log('info', event, fields),
    warn: (event, fields = {}) => log('warn', event, fields),
    error: (event, fields = {}) => log('error', event, fields),
  }
}

function sentenceOf(event: string, fields: Fields): string | undefined {
  if (event in sentences) {
    const text = sentences[event]?.(fields)
    return text && visibleLine(text)
  }
  const shown = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return visibleLine([event, ...shown].join(' '))
}
