/**
 * The JSON Schema (2020-12) of a replay's report, as the package publishes it: `backstory/replay-report.schema.json`.
 *
 * A test holds the reports of all kinds of runs to it, and the compiler holds it to the type `ReplayReport`.
 * Later versions may add members, so it refuses none.
 */

type Schema = Readonly<Record<string, unknown>>

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const
const number = { type: 'number', minimum: 0 } as const
const count = { type: 'integer', minimum: 0 } as const
const moment = { type: 'string', format: 'date-time' } as const

/** All of these must be there, but for those named. */
function object<
  const Properties extends Readonly<Record<string, Schema>>,
  const Optional extends keyof Properties & string = never,
>(properties: Properties, ...optional: readonly Optional[]) {
  const isRequired = (name: string): name is Exclude<keyof Properties & string, Optional> =>
    !(optional as readonly string[]).includes(name)
  return { type: 'object', properties, required: Object.keys(properties).filter(isRequired) } as const
}

function list<const Items extends Schema>(items: Items) {
  return { type: 'array', items } as const
}

function map<const Values extends Schema>(values: Values) {
  return { type: 'object', additionalProperties: values } as const
}

const counts = { matched: count, acted: count, skipped: count, failed: count, held: count } as const

const mark = object({ position: count, time: text }, 'time')

const plannedWrite = {
  description: 'What would have been written, as it would have left',
  oneOf: [
    object({ kind: { const: 'sql' }, statement: text, parameters: list({}) }),
    object(
      { kind: { const: 'request' }, method: text, url: text, headers: map(text), body: {} },
      'headers',
      'body',
    ),
    object({
      kind: { const: 'message' },
      exchange: text,
      routingKey: text,
      headers: map({}),
      body: text,
    }),
    object({ kind: { const: 'call' }, to: text, input: {} }, 'input'),
    object({ kind: { const: 'text' }, to: text, text }),
  ],
} as const

const rule = object({
  name: text,
  action: text,
  ...counts,
  types: { description: 'By type; an event without one is of the type ""', ...map(object(counts)) },
  samples: {
    description: 'Of a dry run: what would have been written for the first events',
    ...list(object({ place: text, write: plannedWrite })),
  },
})

const cause = object(
  {
    rule: { description: 'Absent where the event could not be read', ...text },
    kind: { enum: ['throttled', 'unavailable', 'refused', 'held'] },
    code: text,
    message: text,
    events: { type: 'integer', minimum: 1 },
    types: { description: 'How many of each type', ...map(count) },
    examples: { description: 'Where the first of them are', ...list(text) },
  },
  'rule',
)

export const reportSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'The report of a replay',
  ...object(
    {
      run: text,
      pass: {
        description: '1 over the source, each later one over the failures of the one before',
        ...count,
      },
      dryRun: flag,
      ended: { enum: ['done', 'interrupted', 'too-many-failures', 'error'] },
      error: { description: 'What ended a run that threw', ...object({ code: text, message: text }, 'code') },
      startedAt: moment,
      endedAt: moment,
      seconds: {
        description: 'Of all processes that worked on it, without the time between them',
        ...number,
      },
      source: text,
      order: { enum: ['global', 'key', 'none'] },
      read: count,
      picked: { description: 'By at least one rule', ...count },
      unreadable: { description: 'What the source held that is no JSON', ...count },
      failed: {
        description: 'Events with at least one failure, the held and the unreadable included',
        ...count,
      },
      first: { description: 'Of those that were picked', ...mark },
      last: { description: 'Of those that were picked', ...mark },
      checksum: {
        description: 'Over the events that were picked, in their order',
        type: 'string',
        pattern: '^[0-9a-f]{16}$',
      },
      rules: list(rule),
      causes: { description: 'The most frequent first', ...list(cause) },
      eventsPerSecond: number,
      bytes: { description: 'Of the source, read by the last process', ...count },
      peakMemoryBytes: count,
      exitCode: {
        description:
          '0 all done, 1 some failed, 6 too many failed, 130 told to end; that of the command where it ended or threw',
        ...count,
      },
    },
    'error',
    'first',
    'last',
  ),
} as const
