/**
 * The description of the feed for programs: OpenAPI 3.1. A test asks every route for what is said here of it,
 * and holds the answers to these schemas.
 */
import { choicesMax, fenceWaitSecondsMax, pageDefault, pageMax, patternLengthMax } from './limits.ts'
import { problemStatus, problemType } from './problem.ts'
import { rowsType } from './row-blocks.ts'

type Schema = Readonly<Record<string, unknown>>

const text = { type: 'string' }
const flag = { type: 'boolean' }
const moment = { type: 'string', format: 'date-time' }
const position = { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER }
/** 0 where there is nothing yet. */
const count = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER }
const checksum = { type: 'string', pattern: '^[0-9a-f]{32}$' }

const bounds = { first: position, head: count }
const identity = { source: text, id: text }
const summary = { count, checksum, unidentified: count }

/** All of these must be there, but for those named; more may come. */
function object(properties: Readonly<Record<string, Schema>>, ...optional: readonly string[]): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name))
  return { type: 'object', properties, required }
}

function list(items: Schema): Schema {
  return { type: 'array', items }
}

const schemas = {
  Problem: object({
    type: text,
    status: { type: 'integer' },
    code: { ...text, examples: Object.keys(problemStatus) },
    detail: text,
  }),
  Event: {
    description: 'CloudEvents 1.0 in JSON format, with what the history adds',
    ...object(
      {
        specversion: { const: '1.0' },
        ...identity,
        type: text,
        subject: text,
        time: text,
        datacontenttype: text,
        data: {},
        data_base64: { type: 'string', contentEncoding: 'base64' },
        position,
        recordedtime: moment,
      },
      ...['subject', 'time', 'datacontenttype', 'data', 'data_base64'],
    ),
  },
  Mark: {
    description: 'The last line: every position up to `through` was looked at',
    ...object({ through: count, ...bounds }),
  },
  LastProblem: {
    description: 'A last line in place of a mark',
    ...object({ problem: { $ref: '#/components/schemas/Problem' } }),
  },
  Exchanges: object({ exchanges: list(object({ exchange: text, ...bounds })) }),
  Exchange: object({ exchange: text, ...bounds, ...summary }),
  Bounds: object(bounds),
  Summary: object({ position: count, ...summary }),
  Identities: object({ identities: { ...list(object(identity)), maxItems: pageMax } }),
  Positions: object({ positions: list({ type: ['integer', 'null'] }) }),
  Fence: object({ id: text, position: count }),
  Note: object({ name: text, value: text }),
  Counts: object(
    { counts: object({ types: list(object({ type: text, events: count })), subjects: count }) },
    'counts',
  ),
  IdentityPage: page({ position, ...identity, unidentified: flag }),
  SequencePage: page(
    { position, ...identity, type: text, subject: text, epoch: text, sequence: position },
    ...['subject', 'epoch', 'sequence'],
  ),
  SpentSequencePage: page({
    number: position,
    position: count,
    source: text,
    epoch: text,
    sequence: position,
  }),
  CheckpointPage: page({ position, checksum, unidentified: count }),
  OutlinePage: page(
    { position, source: text, type: text, subject: text, recordedAt: moment, bodyBytes: count },
    'subject',
  ),
  ErasurePage: page({
    number: position,
    subject: text,
    reason: text,
    by: text,
    at: moment,
    events: count,
    lastPosition: count,
  }),
  PrunedPage: page({
    first: position,
    last: position,
    checksum: text,
    unidentified: count,
    reason: text,
    at: moment,
  }),
  ConsumerPage: page({ name: text, cursor: count, toldAt: moment }),
  Live: object({ live: { const: true } }),
  Ready: object({ ready: { const: true } }),
} as const

function page(item: Readonly<Record<string, Schema>>, ...optional: readonly string[]): Schema {
  return object({ items: list(object(item, ...optional)) })
}

function query(name: string, schema: Schema, description: string): Schema {
  return { name, in: 'query', schema, description }
}

function inPath(name: string, schema: Schema): Schema {
  return { name, in: 'path', required: true, schema }
}

const exchange = inPath('exchange', text)
const after = query('after', { ...count, default: 0 }, 'Begins behind this position')
const upTo = query('upTo', position, 'Ends with this position; the head, where it is left out')
const pageOf = [
  exchange,
  after,
  upTo,
  query('limit', { ...position, maximum: pageMax, default: pageDefault }, 'Items at most'),
]
const choice = { ...list(text), maxItems: choicesMax }

const eventsParameters = [
  exchange,
  after,
  upTo,
  query('limit', position, 'Events at most'),
  query('type', choice, 'Events of one of these types'),
  query('subject', choice, 'Events of one of these subjects'),
  query('source', choice, 'Events of one of these sources'),
  query(
    'pattern',
    { type: 'string', maxLength: patternLengthMax },
    'Events that this event pattern matches, as JSON: what EventBridge takes, on the CloudEvent as it is answered',
  ),
  query(
    'order',
    { enum: ['oldest', 'newest'], default: 'oldest' },
    '`newest` goes down from `upTo` to `after`',
  ),
  query('follow', { ...flag, default: false }, 'Stays open, and sends what is recorded from then on'),
  query(
    'page',
    { ...flag, default: false },
    'May end early, where the answer is large or a search takes long',
  ),
  query(
    'latest',
    { ...flag, default: false },
    'Only the newest event of each subject, as of `upTo`, and those without a subject; `limit` counts the others too',
  ),
]

function ref(name: keyof typeof schemas): Schema {
  return { $ref: `#/components/schemas/${name}` }
}

const problem = {
  description: 'A problem, told by its `code`',
  content: { [problemType]: { schema: ref('Problem') } },
}

interface Told {
  readonly parameters?: readonly Schema[]
  /** Takes no token. */
  readonly isOpen?: boolean
  readonly requestBody?: Schema
}

function answered(summary: string, content: Readonly<Record<string, Schema>>, told: Told = {}): Schema {
  const { parameters = [], isOpen = false, requestBody } = told
  return {
    summary,
    parameters,
    ...(requestBody && {
      requestBody: { required: true, content: { 'application/json': { schema: requestBody } } },
    }),
    ...(isOpen && { security: [] }),
    responses: { 200: { description: summary, content }, default: problem },
  }
}

function json(summary: string, name: keyof typeof schemas, told?: Told): Schema {
  return answered(summary, { 'application/json': { schema: ref(name) } }, told)
}

const event = {
  'application/cloudevents+json': { schema: ref('Event') },
  [rowsType]: { schema: { description: 'For readers of the same version of Backstory' } },
}
const events = {
  'application/x-ndjson': {
    schema: { description: 'A line each', anyOf: [ref('Event'), ref('Mark'), ref('LastProblem')] },
  },
  [rowsType]: event[rowsType],
}

const paths = {
  '/exchanges': { get: json('The histories that are there', 'Exchanges') },
  '/exchanges/{exchange}': { get: json('A history', 'Exchange', { parameters: [exchange] }) },
  '/exchanges/{exchange}/head': { get: json('How far it goes', 'Bounds', { parameters: [exchange] }) },
  '/exchanges/{exchange}/summary': {
    get: json('Count and checksum up to a position', 'Summary', { parameters: [exchange, upTo] }),
  },
  '/exchanges/{exchange}/events': {
    get: answered('Events as lines', events, { parameters: eventsParameters }),
  },
  '/exchanges/{exchange}/events/{position}': {
    get: answered('The event at a position', event, { parameters: [exchange, inPath('position', position)] }),
  },
  '/exchanges/{exchange}/event': {
    get: answered('The event of an identity', event, {
      parameters: [
        exchange,
        ...['source', 'id'].map((name) => ({ ...query(name, text, ''), required: true })),
      ],
    }),
  },
  '/exchanges/{exchange}/positions': {
    post: json('The positions of identities, null where one is not recorded', 'Positions', {
      parameters: [exchange],
      requestBody: ref('Identities'),
    }),
  },
  '/exchanges/{exchange}/fences/{id}': {
    get: json('The head when a fence was recorded', 'Fence', {
      parameters: [
        exchange,
        inPath('id', text),
        query(
          'wait',
          { type: 'integer', minimum: 0, maximum: fenceWaitSecondsMax, default: 0 },
          'Seconds to wait for it',
        ),
      ],
    }),
  },
  '/exchanges/{exchange}/identities': {
    get: json('Identities by position', 'IdentityPage', { parameters: pageOf }),
  },
  '/exchanges/{exchange}/sequences': {
    get: json("Each event's number of its publisher", 'SequencePage', { parameters: pageOf }),
  },
  '/exchanges/{exchange}/spent-sequences': {
    get: json('Numbers that were spent on duplicates', 'SpentSequencePage', { parameters: pageOf }),
  },
  '/exchanges/{exchange}/checkpoints': {
    get: json('The running checksum at the end of each batch', 'CheckpointPage', { parameters: pageOf }),
  },
  '/exchanges/{exchange}/outlines': {
    get: json('Events without their bodies', 'OutlinePage', { parameters: pageOf }),
  },
  '/exchanges/{exchange}/counts': { get: json('Events of each type', 'Counts', { parameters: [exchange] }) },
  '/exchanges/{exchange}/consumers': {
    get: json('How far consumers have told to be', 'ConsumerPage', { parameters: [exchange] }),
  },
  '/exchanges/{exchange}/erasures': {
    get: json('Which events were emptied for ever, and why', 'ErasurePage', {
      parameters: pageOf.filter(({ name }) => name !== 'upTo'),
    }),
  },
  '/exchanges/{exchange}/pruned': {
    get: json('Which positions retention has removed', 'PrunedPage', { parameters: pageOf }),
  },
  '/exchanges/{exchange}/notes/{name}': {
    get: json('A note that the recorder keeps', 'Note', { parameters: [exchange, inPath('name', text)] }),
  },
  '/openapi.json': { get: answered('This document', { 'application/json': {} }, { isOpen: true }) },
  '/livez': { get: json('The process answers', 'Live', { isOpen: true }) },
  '/readyz': { get: json('Every history can be read', 'Ready', { isOpen: true }) },
  '/metrics': { get: answered("Metrics in Prometheus' text form", { 'text/plain': { schema: text } }) },
} as const

export const openapi = {
  openapi: '3.1.0',
  info: { title: 'Backstory feed', version: '1', description: 'Histories of RabbitMQ exchanges, to be read' },
  security: [{ token: [] }],
  paths,
  components: { schemas, securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
}
