/** The JSON Schema of a plan, published with the package. Descriptions are what an editor shows. */
const address = {
  description: 'An address, or an object with it and the options of what is there',
  oneOf: [
    { type: 'string', minLength: 1 },
    {
      type: 'object',
      required: ['address'],
      properties: { address: { type: 'string', minLength: 1 } },
      additionalProperties: true,
    },
  ],
} as const

export const planSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'A replay plan of Backstory',
  type: 'object',
  required: ['from', 'rules'],
  additionalProperties: false,
  properties: {
    $schema: { type: 'string' },
    from: { ...address, description: 'Where the events are read: see `backstory replay --help`' },
    rules: {
      type: 'array',
      minItems: 1,
      maxItems: 10_000,
      items: {
        type: 'object',
        required: ['to'],
        additionalProperties: false,
        properties: {
          name: {
            type: 'string',
            minLength: 1,
            maxLength: 100,
            description: 'In the report. Default: rule 1, rule 2 …',
          },
          where: { type: 'object', description: 'An EventBridge event pattern. Default: every event' },
          to: { ...address, description: 'What is done with the events' },
        },
      },
    },
    order: {
      enum: ['global', 'key', 'none'],
      default: 'global',
      description: 'One after the other; in order within each key; in no order',
    },
    key: {
      type: 'string',
      description: 'A path such as $.data.customer.id: what order is kept by. Default: the subject',
    },
    concurrency: {
      type: 'integer',
      minimum: 1,
      maximum: 1_000,
      default: 8,
      description: 'Batches in flight',
    },
    rate: { type: 'number', exclusiveMinimum: 0, description: 'Events a second at most, of each rule' },
    speed: {
      type: 'number',
      exclusiveMinimum: 0,
      description: 'Recorded timing: 1 as published, 10 ten times as fast',
    },
    retries: {
      type: 'object',
      additionalProperties: false,
      description: 'Tries after the first, by the kind of failure',
      properties: {
        throttled: { type: 'integer', minimum: 0, default: 10 },
        unavailable: { type: 'integer', minimum: 0, default: 10 },
        refused: { type: 'integer', minimum: 0, default: 0 },
      },
    },
    maxErrors: {
      description: 'How many events may fail, a number or a share such as 5%: the next one ends the run',
      oneOf: [
        { type: 'integer', minimum: 0 },
        { type: 'string', pattern: '^(100|[0-9]{1,2}(\\.[0-9]+)?)%$' },
      ],
      default: 1_000,
    },
  },
} as const
