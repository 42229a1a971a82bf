import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { elementText, indentJson, memberText } from './json-text.ts'

const name = fc.oneof(fc.constantFrom('data', 'a"b', 'back\\', 'é'), fc.string())
const space = fc.constantFrom('', ' ', '\n\t')

test('a member is the text that was written, wherever it stands', () => {
  const members = fc.array(fc.tuple(name, fc.json(), space))
  fc.assert(
    fc.property(members, fc.json(), (others, value) => {
      const written = [...others, ['data', value, ' '] as const, ...others.filter(([key]) => key !== 'data')]
      const text = `{${written.map(([key, json, gap]) => `${gap}${JSON.stringify(key)}${gap}:${gap}${json}${gap}`).join(',')}}`
      JSON.parse(text)
      assert.equal(memberText(text, 'data'), value)
    }),
    { numRuns: 2_000 },
  )
})

test('an element is the text that was written, wherever it stands', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.json(), space)), (elements) => {
      const text = `[${elements.map(([json, gap]) => `${gap}${json}${gap}`).join(',')}]`
      for (const [at, [json]] of elements.entries()) assert.equal(elementText(text, at), json)
      assert.equal(elementText(text, elements.length), undefined)
    }),
    { numRuns: 2_000 },
  )
})

test('every digit of a number stays', () => {
  assert.equal(memberText('{"data": 12345678901234567890.50 }', 'data'), '12345678901234567890.50')
  assert.equal(indentJson('[12345678901234567890.50]'), '[\n  12345678901234567890.50\n]')
})

test('the last of two members counts, as for a parser, and a name may be written with escapes', () => {
  assert.equal(memberText('{"data":1,"d\\u0061ta":2}', 'data'), '2')
  assert.equal(memberText('{"x":{"data":1}}', 'data'), undefined)
  assert.equal(memberText('{}', 'data'), undefined)
})

test('indented JSON looks as JSON.stringify has it, and holds the same', () => {
  fc.assert(
    fc.property(fc.jsonValue(), space, (value, gap) => {
      const text = `${gap}${JSON.stringify(value)}${gap}`
      assert.equal(indentJson(text), JSON.stringify(value, undefined, 2))
    }),
    { numRuns: 2_000 },
  )
})
