import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ValueSplitter } from './value-splitter.ts'

interface Told {
  readonly text: string
  readonly why: string | undefined
  readonly end: number
  readonly isInArray: boolean
  readonly lines: { readonly first: number; readonly last: number }
}

test('values come out as they went in, however they are written and wherever the chunks end', () => {
  fc.assert(
    fc.property(
      fc.array(written(fc.jsonValue({ maxDepth: 4 })), { maxLength: 12 }),
      fc.constantFrom('lines', 'array', 'stream' as const),
      sizesUpTo(40),
      fc.boolean(),
      (texts, form, sizes, hasMark) => {
        const document = (hasMark ? '\ufeff' : '') + joined(texts, form)
        const told = split(Buffer.from(document), { sizes })
        assert.deepEqual(
          told.map(({ text, why }) => [JSON.parse(text), why]),
          texts.map((text) => [JSON.parse(text), undefined]),
        )
      },
    ),
    { numRuns: 2_000 },
  )
})

test('what is told ends where it says, and what is behind a value can be read alone', () => {
  fc.assert(
    fc.property(
      fc.array(written(fc.jsonValue({ maxDepth: 3 })), { maxLength: 8 }),
      fc.constantFrom('lines', 'array', 'stream' as const),
      sizesUpTo(40),
      (texts, form, sizes) => {
        const document = Buffer.from(joined(texts, form))
        const all = split(document, { sizes })
        for (const [index, { text, end, isInArray, lines }] of all.entries()) {
          const begin = document.subarray(0, end).toString().length - text.length
          assert.equal(lines.first, lineAt(document.toString(), begin))
          assert.equal(document.subarray(0, end).toString().endsWith(text), true)
          const rest = split(document.subarray(end), { offset: end, isInArray, line: lines.last, sizes })
          assert.deepEqual(rest, all.slice(index + 1))
        }
      },
    ),
    { numRuns: 300 },
  )
})

test('random bytes are told whole: nothing between white space and commas is left out', () => {
  const parts = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"',
    '\\',
    ',',
    ':',
    '\n',
    ' ',
    '1',
    'a',
    '{"a":1}',
    '\u00e9',
    'x\n',
  )
  fc.assert(
    fc.property(
      fc.array(parts, { maxLength: 60 }),
      sizesUpTo(9),
      fc.integer({ min: 1, max: 50 }),
      (list, sizes, bytesMax) => {
        const document = list.join('')
        const told = split(Buffer.from(document), { sizes, bytesMax })
        assert.deepEqual(
          told.map(({ text }) => text),
          split(Buffer.from(document), { bytesMax }).map(({ text }) => text),
          'the same in one chunk',
        )
        for (const { end, lines } of told)
          assert.equal(lines.last, lineAt(Buffer.from(document).toString('latin1'), end))
        const shown = told.map(({ text }) => (text === '…' ? '' : text)).join('')
        assert.equal(bare(shown), bare(document))
      },
    ),
    { numRuns: 5_000 },
  )
})

const examples: readonly (readonly [title: string, document: string, expected: readonly string[]])[] = [
  ['JSON Lines', '{"a":1}\n{"a":2}\n', ['{"a":1}', '{"a":2}']],
  ['lines of Windows, blank ones among them', '{"a":1}\r\n\r\n{"a":2}\r\n', ['{"a":1}', '{"a":2}']],
  ['no line break at the end', '{"a":1}\n{"a":2}', ['{"a":1}', '{"a":2}']],
  ['an array on one line', '[{"a":1},{"a":[1,"]"]}]', ['{"a":1}', '{"a":[1,"]"]}']],
  ['an array with a line for each', '[\n{"a":1},\n{"a":2}\n]\n', ['{"a":1}', '{"a":2}']],
  ['an array with commas first', '[\n{"a":1}\n,{"a":2}\n,{"a":3}]', ['{"a":1}', '{"a":2}', '{"a":3}']],
  ['an empty array', '[]', []],
  ['nothing', ' \n', []],
  ['arrays, line by line', '[{"a":1},{"a":2}]\n[{"a":3}]\n', ['{"a":1}', '{"a":2}', '{"a":3}']],
  ['arrays within an array', '[[1,2],[]]', ['[1,2]', '[]']],
  ['objects without anything between them', '{"a":1}{"a":2}{}', ['{"a":1}', '{"a":2}', '{}']],
  ['objects over several lines', '{\n  "a": 1\n}\n{\n  "a": {}\n}\n', ['{\n  "a": 1\n}', '{\n  "a": {}\n}']],
  ['lines behind objects over several', '{\n"a":1}\n{"a":2}\n{"a":3}\n', ['{\n"a":1}', '{"a":2}', '{"a":3}']],
  [
    'several on a line',
    '{"a":1}\n{"a":2}{"a":3}\n{"a":4} {"a":5}\n',
    [1, 2, 3, 4, 5].map((a) => `{"a":${a}}`),
  ],
  [
    'brackets and quotes within strings',
    '{"a":"}\\"{["}\n{"b":"\\\\"}\n',
    ['{"a":"}\\"{["}', '{"b":"\\\\"}'],
  ],
  ['records of RFC 7464', '\x1e{"a":1}\n\x1e{"a":2}\n', ['{"a":1}', '{"a":2}']],
  ['byte order marks of files put together', '\ufeff{"a":1}\n\ufeff{"a":2}\n', ['{"a":1}', '{"a":2}']],
  ['values that are no objects', '1 "a" null\ntrue [-2.5e3]', ['1', '"a"', 'null', 'true', '-2.5e3']],
]

for (const [title, document, expected] of examples) {
  test(`${title}: each value is found`, () => {
    for (const size of [1, 3, 1_000]) {
      const told = split(Buffer.from(document), { sizes: [size] })
      assert.deepEqual(
        told.map(({ text, why }) => why ?? text),
        expected,
      )
    }
  })
}

const faults: readonly (readonly [title: string, document: string, expected: readonly string[]])[] = [
  [
    'a line of something else',
    '{"a":1}\nERROR {"b":1} x\n{"a":2}\n',
    ['{"a":1}', '! ERROR {"b":1} x', '{"a":2}'],
  ],
  ['something else behind a value', '{"a":1} oops\n{"a":2}\n', ['{"a":1}', '! oops', '{"a":2}']],
  ['something else in an array', '[{"a":1},oops,{"a":2}]', ['{"a":1}', '! oops', '{"a":2}']],
  ['a bracket too many', '{"a":1}}\n{"a":2}\n', ['{"a":1}', '! }', '{"a":2}']],
  ['an array closed twice', '[{"a":1}]]\n{"a":2}\n', ['{"a":1}', '! ]', '{"a":2}']],
  ['a line cut off in a string', '{"a":1}\n{"a":"tw\n{"a":3}\n', ['{"a":1}', '! {"a":"tw', '{"a":3}']],
  ['a line cut off behind a comma', '{"a":1,\n{"a":2}\n{"a":3}\n', ['! {"a":1,', '{"a":2}', '{"a":3}']],
  ['a line cut off behind a colon', '{"a":\n{"a":2}\n{"a":3}\n', ['! {"a":', '{"a":2}', '{"a":3}']],
  ['a line cut off in an array', '{"a":[1,\n{"a":2}\n{"a":3}\n', ['! {"a":[1,', '{"a":2}', '{"a":3}']],
  ['a line cut off behind a value', '{"a":1\n{"a":2}\n', ['! {"a":1', '{"a":2}']],
  ['a line cut off behind a backslash', '{"a":"\\\n{"a":2}\n{"a":3}\n', ['! {"a":"\\', '{"a":2}', '{"a":3}']],
  [
    'an object over several lines that breaks off, and has objects inside',
    '{\n  "a": "x\n  ,"b": [\n    {"c": 1}\n  ]\n}\n{\n  "a": 2\n}\n',
    ['! {\n  "a": "x\n  ,"b": [\n    {"c": 1}\n  ]\n}', '{\n  "a": 2\n}'],
  ],
  [
    'an element that breaks off, with elements on shared lines',
    '[ {\n  "a": "x\n}, {\n  "a": 2\n} ]',
    ['! {\n  "a": "x\n}', '{\n  "a": 2\n}'],
  ],
  ['a bracket of another kind', '[{"a":[1,2},{"a":3}]', ['{"a":[1,2}', '{"a":3}']],
  ['an element without its end', '[{"a":{"b":1},{"a":2}]\n{"a":3}\n', ['{"a":{"b":1},{"a":2}', '{"a":3}']],
  ['the last value cut off', '{"a":1}\n{"a":{"b"', ['{"a":1}', '! {"a":{"b"']],
  ['the last value cut off in a string', '{"a":1}\n{"a":"b\\', ['{"a":1}', '! {"a":"b\\']],
  ['an array cut off in an element', '[{"a":1},{"a"', ['{"a":1}', '! {"a"', '! …']],
  ['an array cut off between elements', '[{"a":1},', ['{"a":1}', '! …']],
]

for (const [title, document, expected] of faults) {
  test(`${title}: it is told, and what follows is read`, () => {
    for (const size of [1, 3, 1_000]) {
      const told = split(Buffer.from(document), { sizes: [size] })
      assert.deepEqual(
        told.map(({ text, why }) => (why === undefined ? text : `! ${text}`)),
        expected,
      )
    }
  })
}

test('a value that is too long is told by its beginning, whatever its kind, and what follows is read', () => {
  const long = 'x'.repeat(300_000)
  for (const value of [`{"a":"${long}"}`, `"${long}"`, `{"a":[${'1,'.repeat(150_000)}1]}`, `1${long}`]) {
    for (const [before, between, after] of [
      ['', '\n', '\n'],
      ['[', ',', ']'],
    ] as const) {
      const document = `${before}{"a":1}${between}${value}${between}{"a":2}${after}`
      for (const size of [1_000, 65_536, 1_000_000]) {
        const told = split(Buffer.from(document), { bytesMax: 100_000, sizes: [size] })
        const [first, second, third, ...rest] = told
        assert.deepEqual([first!.text, third!.text, rest.length], ['{"a":1}', '{"a":2}', 0])
        assert.equal(second!.text, `${value.slice(0, 65_536)}…`)
        assert.equal(second!.end, document.indexOf(value) + value.length)
        assert.notEqual(second!.why, undefined)
      }
    }
  }
})

test('a value of the largest size is read, one of a byte more is not', () => {
  const value = `{"a":"${'é'.repeat(50)}"}`
  const bytes = Buffer.from(`${value}\n`)
  const read = (bytesMax: number) => split(bytes, { bytesMax }).map(({ why }) => why)
  assert.deepEqual(read(bytes.length - 1), [undefined])
  assert.deepEqual(read(bytes.length - 2), [`it has more than ${bytes.length - 2} bytes`])
})

test('bytes that are no UTF-8 are told as bytes, and never as a value with something in their place', () => {
  const bad = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')])
  const good = Buffer.from('{"a":"\ufffd é"}\n')
  for (const lines of [
    [good, bad, Buffer.from('\n'), good],
    [good, good, bad, Buffer.from('\n'), good],
    [Buffer.from('['), bad, Buffer.from(']')],
  ]) {
    const told = split(Buffer.concat(lines))
    const expected = lines
      .filter((line) => line.length > 1)
      .map((line) => (line === good ? undefined : 'it is no UTF-8'))
    assert.deepEqual(
      told.map(({ why }) => why),
      expected,
    )
    assert.equal(told.find(({ why }) => why !== undefined)!.text, `base64:${bad.toString('base64')}`)
  }
})

function split(
  document: Buffer,
  {
    bytesMax = 1_000_000,
    sizes = [document.length],
    ...from
  }: {
    bytesMax?: number
    sizes?: readonly number[]
    offset?: number
    isInArray?: boolean
    line?: number
  } = {},
): Told[] {
  const told: Told[] = []
  const tell = (text: string, why: string | undefined, end: number) =>
    told.push({ text, why, end, isInArray: splitter.isInArray, lines: splitter.lines })
  const splitter = new ValueSplitter(
    {
      value: (text, json, end) => {
        if (json !== undefined) assert.deepEqual(json, JSON.parse(text))
        tell(text, undefined, end)
      },
      unreadable: (text, why, end) => tell(text, why, end),
    },
    { bytesMax, ...from },
  )
  let at = 0
  for (let turn = 0; at < document.length; turn++) {
    const size = sizes[turn % sizes.length]!
    splitter.push(document.subarray(at, at + size))
    at += size
  }
  splitter.end()
  return told
}

function lineAt(document: string, index: number): number {
  return document.slice(0, index).split('\n').length
}

/** Of chunks, over and over again. */
function sizesUpTo(max: number): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min: 1, max }), { minLength: 1, maxLength: 20 })
}

/** A value, written with white space anywhere between its tokens. */
function written(values: fc.Arbitrary<unknown>): fc.Arbitrary<string> {
  const spaces = fc.infiniteStream(fc.constantFrom('', '', '', ' ', '\n', '\r\n', '\t', '  \n '))
  return fc
    .tuple(values, fc.constantFrom('compact', 'indented', 'random'), spaces)
    .map(([value, form, space]) => {
      if (form === 'compact') return JSON.stringify(value)
      if (form === 'indented') return JSON.stringify(value, undefined, 2)
      const tokens = JSON.stringify(value).match(/"(?:\\.|[^"\\])*"|[{}[\],:]|[^{}[\],:"]+/g)!
      return tokens
        .map((token) => `${token}${[...space.take(1)][0]}`)
        .join('')
        .trimEnd()
    })
}

/** What is no array may stand alone; an array would be opened. */
function joined(texts: readonly string[], form: 'lines' | 'array' | 'stream'): string {
  if (form === 'array') return `[${texts.join(',')}]`
  // Two numbers need something between them.
  return texts.map((text) => (text.startsWith('[') ? `[${text}]` : text)).join(form === 'lines' ? '\n' : ' ')
}

function bare(text: string): string {
  // Those of the outermost array are opened.
  return text.replace(/[\s,[\]]/g, '')
}
