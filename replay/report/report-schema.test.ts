import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { plannedWrites, reportsOfEveryKind } from './report.fixture.ts'
import type { ReplayReport } from './report.ts'
import { reportSchema } from './report-schema.ts'

let reports: Record<string, ReplayReport>

before(async () => {
  reports = await reportsOfEveryKind()
})

test('reports of all kinds of runs are what the schema says, and have nothing that it does not know', () => {
  const ajv = new Ajv2020({ allErrors: true })
  addFormats.default(ajv)
  for (const schema of [reportSchema, closed(reportSchema)]) {
    const validate = ajv.compile(schema as object)
    for (const [kind, report] of Object.entries(reports)) {
      assert.ok(validate(report), `${kind}: ${JSON.stringify(validate.errors)}`)
    }
  }
  const { dry } = reports
  assert.deepEqual(
    dry!.rules.map(({ samples }) => samples[0]!.write.kind),
    plannedWrites.map(({ kind }) => kind),
  )
})

test('a report without its checksum, or with one of its figures as text, is not', () => {
  const validate = new Ajv2020({ validateFormats: false }).compile(reportSchema)
  const { checksum: _, ...without } = reports.done!
  assert.equal(validate(without), false)
  assert.equal(validate({ ...reports.done, read: '12' }), false)
})

/** Refuses members that it does not name. */
function closed(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null) return schema
  if (Array.isArray(schema)) return schema.map(closed)
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]))
  return 'properties' in inner && 'required' in inner ? { additionalProperties: false, ...inner } : inner
}

/** The type of what a schema describes. */
type Described<Schema> = Schema extends { const: infer Value }
  ? Value
  : Schema extends { enum: readonly (infer Value)[] }
    ? Value
    : Schema extends { oneOf: readonly (infer One)[] }
      ? Described<One>
      : Schema extends { type: 'array'; items: infer Items }
        ? readonly Described<Items>[]
        : Schema extends { properties: infer Properties; required: readonly (infer Required)[] }
          ? { [Name in keyof Properties & Required]: Described<Properties[Name]> } & {
              [Name in Exclude<keyof Properties, Required>]?: Described<Properties[Name]>
            }
          : Schema extends { additionalProperties: infer Values }
            ? Readonly<Record<string, Described<Values>>>
            : Schema extends { type: infer Type }
              ? Type extends keyof Primitives
                ? Primitives[Type]
                : never
              : unknown

interface Primitives {
  string: string
  integer: number
  number: number
  boolean: boolean
}

/** What is left of a type in JSON: members that may be undefined may be missing. */
type InJson<Value> = Value extends readonly (infer Item)[]
  ? readonly InJson<Item>[]
  : Value extends object
    ? string extends keyof Value
      ? Readonly<Record<string, InJson<Value[string & keyof Value]>>>
      : { [Name in keyof Value as undefined extends Value[Name] ? never : Name]: InJson<Value[Name]> } & {
          [Name in keyof Value as undefined extends Value[Name] ? Name : never]?: InJson<Value[Name]>
        }
    : Value

// Each can stand for the other: the compiler says where they differ.
const asTyped: (report: Described<typeof reportSchema>) => InJson<ReplayReport> = (report) => report
const asDescribed: (report: InJson<ReplayReport>) => Described<typeof reportSchema> = (report) => report

test('the schema and the type agree', () => {
  assert.equal(asTyped(asDescribed(reports.done as never)), reports.done)
})
