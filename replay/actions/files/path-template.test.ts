import assert from 'node:assert/strict'
import { resolve, sep } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonEvent } from '../../json-event.ts'
import { PathTemplate } from './path-template.ts'

const origin = { placeOf: String, tokenOf: String }
const pathOf = (template: string, event: unknown) =>
  new PathTemplate(template).pathFor(
    new JsonEvent(typeof event === 'string' ? event : JSON.stringify(event), 1, origin),
  )
const nameOf = (a: unknown) => pathOf('out/{$.a}', { a })

test('plain values are names as they are; the rest is written as its bytes', () => {
  for (const [value, name] of [
    ['EC-1_x@y', 'EC-1_x@y'],
    ['Größe 4.5', 'Größe 4.5'],
    ['a/b\\c', 'a%2Fb%5Cc'],
    ['..', '%2E%2E'],
    ['.ssh', '%2Essh'],
    ['x.', 'x%2E'],
    ['', '%'],
    ['100%', '100%25'],
    ['a\u0000\n', 'a%00%0A'],
    ['CON', '%43ON'],
    ['aux', '%61ux'],
    ['con-1', 'con-1'],
    [7, '7'],
    [true, 'true'],
  ]) {
    assert.equal(nameOf(value), name)
  }
  assert.equal(pathOf('out/{$.a}', '{"a":12345678901234567891}'), '12345678901234567891')
  assert.equal(pathOf('out/{$.a}.jsonl', { a: 'nul' }), '%6Eul.jsonl')
})

test('whatever the values are, the path is a file below the folder, of as many names as the template', () => {
  const template = new PathTemplate('out/{$.a}/x-{$.b}{$.c}.jsonl')
  const root = resolve('/root/out')
  const part = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '..',
      '.',
      '/',
      '\\',
      '%',
      '',
      '%2F',
      'con',
      '../..',
      'a'.repeat(500),
      '\u{1f697}'.repeat(90),
    ),
  )
  fc.assert(
    fc.property(part, part, part, (a, b, c) => {
      const path = template.pathFor(new JsonEvent(JSON.stringify({ a, b, c }), 1, origin))
      const names = path.split('/')
      assert.equal(names.length, 2)
      assert.equal(resolve(root, path), [root, ...names].join(sep))
      assert.ok(
        names.every((name) => Buffer.byteLength(name) <= 200 && !/[\p{Cc}<>:"|?*\\]|[. ]$/u.test(name)),
        path,
      )
      assert.ok(path.endsWith('.jsonl'))
    }),
    { numRuns: 2_000 },
  )
})

test('different values have different names', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'A', '%', '2', 'F', '/', '.', ' ', '~', '\u0301') })
  fc.assert(
    fc.property(text, text, (a, b) => {
      if (a.normalize('NFC') !== b.normalize('NFC')) assert.notEqual(nameOf(a), nameOf(b))
    }),
    { numRuns: 5_000 },
  )
  assert.notEqual(nameOf(`${'a'.repeat(300)}1`), nameOf(`${'a'.repeat(300)}2`))
})

test('what names no file is refused', () => {
  for (const event of [{}, { a: null }, { a: {} }, { a: [1] }]) {
    assert.throws(() => pathOf('out/{$.a}', event), { code: 'REPLAY_EVENT_REFUSED' })
  }
  assert.throws(() => pathOf('out/{$.a[*]}', { a: [1, 2] }), { code: 'REPLAY_EVENT_REFUSED' })
})
