import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { codeOf, homeless, importsOf, readSources, violationsIn } from './fixtures/import-graph.ts'

const root = join(import.meta.dirname, '..')

test('no arrow between folders points back, no package is imported outside its folder, no cycle', () => {
  assert.deepEqual(violationsIn(readSources(root)), [])
})

test('every runtime dependency has its folder', () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  assert.deepEqual(homeless(Object.keys(dependencies)), [])
})

test('the files of every folder are seen, with their imports', () => {
  const files = readSources(root)
  for (const path of ['index.ts', 'events/index.ts', 'scripts/test.ts', 'test/arrows.test.ts']) {
    assert.ok(
      files.some((file) => file.path === path),
      path,
    )
  }
  // A statement that the reader of imports did not understand would be one that nothing checks.
  for (const { path, text } of files) {
    const statements =
      codeOf(text).match(/^import .*['"]$|^export .* from ['"].*['"]$|^} from ['"].*['"]$/gm) ?? []
    assert.ok(importsOf(text).length >= statements.length, path)
  }
})

test('every form of import is read, and none out of a comment or a text', () => {
  const text = `
    /** import { a } from 'in-a-comment' */
    // import 'in-a-line-comment'
    import 'side-effect'
    import whole from "whole"
    import * as star from 'star'
    import type { T } from 'a-type'
    import whole2, { type A, b as c } from 'mixed'
    import {
      several,
      lines,
    } from 'several-lines'
    export * from 'exported-star'
    export { x, type Y } from 'exported-names'
    const later = await import('dynamic')
    type Types = typeof import('as-a-type')
    const old = require('required')
    const program = ${'`'}import 'in-a-template'${'`'}
    export const name = 'no-import'
    export function from(text = 'not-this') {}
  `
  assert.deepEqual(importsOf(text), [
    'side-effect',
    'whole',
    'star',
    'a-type',
    'mixed',
    'several-lines',
    'exported-star',
    'exported-names',
    'dynamic',
    'as-a-type',
    'required',
  ])
})

const planted: [what: string, path: string, text: string, expected: RegExp][] = [
  ['an arrow that points back', 'events/a.ts', "import '../broker/index.ts'", /events may not import broker/],
  ['a library that uses scripts', 'broker/a.ts', "import '../scripts/a.ts'", /broker may not import scripts/],
  [
    'a history that knows RabbitMQ',
    'history/a.ts',
    "import '../broker/index.ts'",
    /history may not import broker/,
  ],
  ['a way around index.ts', 'publisher/a.ts', "export * from '../broker/url.ts'", /only broker\/index\.ts/],
  [
    'a demo that looks inside',
    'edison/a/main.ts',
    "import '../../events/index.ts'",
    /edison\/ uses the public API/,
  ],
  ['a library that uses its own public API', 'events/a.ts', "import 'backstory'", /made of this file/],
  [
    'a client outside broker/',
    'history/recorder/recorder.ts',
    "import type { Channel } from 'amqplib'",
    /only broker\//,
  ],
  ['a client in the demo', 'edison/main.ts', "await import('amqplib')", /only broker\//],
  ['a database outside history/', 'consumers/a.ts', "import 'better-sqlite3'", /only history\//],
  ['a command line in the library', 'replay/a.ts', "import yargs from 'yargs/yargs'", /only scripts\//],
  [
    'a public API that reaches upwards',
    'index.ts',
    "export * from './scripts/a.ts'",
    /may not import scripts/,
  ],
]

for (const [what, path, text, expected] of planted) {
  test(`${what} is found`, () => {
    const violations = violationsIn([{ path, text }])
    assert.equal(violations.length, 1)
    assert.match(violations[0]!, expected)
  })
}

test('a cycle between files is found, through types and through the public API too', () => {
  const cycle = violationsIn([
    { path: 'events/a.ts', text: "import { b } from './b.ts'" },
    { path: 'events/b.ts', text: "import type { A } from './a.ts'" },
  ])
  assert.deepEqual(cycle, ['cycle: events/a.ts -> events/b.ts -> events/a.ts'])
  const viaPublicApi = violationsIn([
    { path: 'index.ts', text: "export * from './events/index.ts'" },
    { path: 'events/index.ts', text: "import 'backstory'" },
  ])
  assert.ok(viaPublicApi.includes('cycle: index.ts -> events/index.ts -> index.ts'))
})

test('what the layout allows is no violation', () => {
  const allowed: [string, string][] = [
    ['history/recorder/recorder.ts', '../../broker/index.ts'],
    ['history/recorder/batch.ts', '../../broker/index.ts'],
    ['history/reader.ts', '../events/index.ts'],
    ['history/reader.ts', './queries/page.ts'],
    ['broker/url.test.ts', '../events/message.ts'],
    ['consumers/index.ts', '../history/index.ts'],
    ['edison/sales/main.ts', 'backstory'],
    ['edison/sales/ledger.ts', 'better-sqlite3'],
    ['scripts/demo.ts', '../edison/sales/sales.ts'],
    ['scripts/bench/peers.ts', 'amqplib'],
    ['test/recorder.test.ts', '../history/schema.ts'],
    ['test/recorder.test.ts', 'amqplib'],
    ['backstory.config.ts', 'backstory'],
    ['index.ts', './consumers/index.ts'],
  ]
  for (const [path, target] of allowed) {
    assert.deepEqual(violationsIn([{ path, text: `import '${target}'` }]), [], `${path} imports ${target}`)
  }
})
