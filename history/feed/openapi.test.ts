/** What the feed says of itself is what it does. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { type Served, served } from './feed.fixture.ts'
import { openapi } from './openapi.ts'
import { problemStatus } from './problem.ts'
import { routes } from './routes.ts'

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly responses: { readonly 200: { readonly content: Readonly<Record<string, { schema?: object }>> } }
}

const operations = Object.entries(openapi.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    path,
    method: method.toUpperCase(),
    operation: operation as unknown as Operation,
  })),
)

/** A request for each, that is answered with 200. */
const asked: Readonly<Record<string, string>> = {
  '{exchange}': 'orders',
  '{position}': '2',
  '{id}': 'f',
  '{name}': 'bindings',
}

const queries: Readonly<Record<string, string>> = {
  '/exchanges/{exchange}/event': '?source=/sales&id=2',
  '/exchanges/{exchange}/sequences': '?after=1&upTo=4&limit=2',
}

async function filled(t: Parameters<typeof served>[0]): Promise<Served> {
  const feed = await served(t, { events: 6 })
  await feed.writer.append({
    events: [],
    fences: ['f'],
    cursors: [{ consumer: 'shipping', cursor: 3 }],
    notes: { bindings: '[]' },
  })
  return feed
}

test('the document has every route, and no other', () => {
  assert.deepEqual(
    operations.map(({ method, path }) => `${method} ${path}`).sort(),
    routes.map(({ method, path }) => `${method} ${path}`).sort(),
  )
})

for (const { method, path, operation } of operations) {
  test(`${method} ${path} answers as its schema says, and takes the parameters that it names`, async (t) => {
    const { url } = await filled(t)
    const target = url + path.replace(/\{\w+\}/g, (name) => asked[name]!) + (queries[path] ?? '')
    const body =
      method === 'POST' ? '{"identities":[{"source":"/sales","id":"2"},{"source":"/","id":"x"}]}' : undefined
    const response = await fetch(target, { method, body })
    const text = await response.text()
    assert.equal(response.status, 200, text)
    const type = response.headers.get('content-type')!.split(';', 1)[0]!
    const content = operation.responses[200].content[type]
    assert.ok(content, `${type} is not in the document`)
    const values = type === 'text/plain' ? [] : text.trim().split('\n')
    for (const value of values) assertValid(content.schema ?? {}, JSON.parse(value))

    for (const { name } of (operation.parameters ?? []).filter((parameter) => parameter.in === 'query')) {
      const wrong = await fetch(`${target}${target.includes('?') ? '&' : '?'}${name}=&${name}=`)
      const { code, detail } = (await wrong.json()) as { code: string; detail: string }
      if (wrong.status === 400) assert.doesNotMatch(detail, /Unknown parameter/, code)
    }
    const unknown = await fetch(`${target}${target.includes('?') ? '&' : '?'}afer=1`, { method, body })
    const takesQuery = !['/openapi.json', '/livez', '/readyz'].includes(path)
    if (takesQuery) assert.equal(((await unknown.json()) as { code: string }).code, 'FEED_PARAMETER_INVALID')
  })
}

test('every problem is one that the document has, and docs/feed.md tells each code', async (t) => {
  const { json } = await served(t)
  assertValid({ $ref: '#/components/schemas/Problem' }, await json('/nowhere'))
  const text = readFileSync(join(import.meta.dirname, '../../docs/feed.md'), 'utf8')
  const told = new Set([...text.matchAll(/`(FEED_[A-Z_]+)`/g)].map(([, code]) => code!))
  assert.deepEqual([...told].sort(), Object.keys(problemStatus).sort())
})

const ajv = addFormats.default(new Ajv2020({ strict: false, allErrors: true }))
ajv.addSchema(openapi, 'openapi')

function assertValid(schema: object, value: unknown): void {
  const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/')) as object
  const isValid = ajv.compile(absolute)
  assert.ok(isValid(value), `${ajv.errorsText(isValid.errors)} in ${JSON.stringify(value)}`)
}
