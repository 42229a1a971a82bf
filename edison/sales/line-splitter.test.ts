import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LineSplitter } from './line-splitter.ts'

/** The lines of `bytes`, arriving in chunks of `chunkSize`; undefined for one beyond the limit. */
function split(bytes: Buffer | string, { chunkSize = 1_000, lineBytesMax = 100 } = {}) {
  const splitter = new LineSplitter({ lineBytesMax })
  const whole = Buffer.from(bytes)
  const lines: (string | undefined)[] = []
  for (let start = 0; start < whole.length; start += chunkSize) {
    for (const line of splitter.push(whole.subarray(start, start + chunkSize))) {
      lines.push(line.bytes?.toString())
      assert.equal(line.number, lines.length)
    }
  }
  for (const line of splitter.end()) lines.push(line.bytes?.toString())
  return lines
}

test('lines come out the same however the bytes are cut into chunks', () => {
  const text = '\u{feff}Zoë\r\n大阪\n\n\r\n  \n🚗\nlast'
  for (let chunkSize = 1; chunkSize < 40; chunkSize++) {
    assert.deepEqual(split(text, { chunkSize }), ['Zoë', '大阪', '', '', '  ', '🚗', 'last'])
  }
})

test('a last line counts with and without its newline, and nothing follows a newline', () => {
  assert.deepEqual(split('a\nb'), ['a', 'b'])
  assert.deepEqual(split('a\nb\n'), ['a', 'b'])
  assert.deepEqual(split(''), [])
  assert.deepEqual(split('\n'), [''])
})

test('a byte order mark is dropped at the very start only', () => {
  assert.deepEqual(split('\u{feff}'), [])
  assert.deepEqual(split('\u{feff}\n'), [''])
  assert.deepEqual(split('a\n\u{feff}b'), ['a', '\u{feff}b'])
})

test('a carriage return belongs to the newline, and only there', () => {
  assert.deepEqual(split('a\rb\r\r\nc\r'), ['a\rb\r', 'c'])
})

test('a line is too long one byte beyond the limit, its end and byte order mark not counted', () => {
  for (const chunkSize of [1, 7, 1_000]) {
    const within = 'x'.repeat(20)
    const lines = split(`\u{feff}${within}\r\n${within}y\r\n${within}y\n${within}`, {
      chunkSize,
      lineBytesMax: 20,
    })
    assert.deepEqual(lines, [within, undefined, undefined, within])
  }
})

test('a giant line is not held', () => {
  const splitter = new LineSplitter({ lineBytesMax: 1_024 })
  const chunk = Buffer.alloc(1_024 * 1_024, 'x')
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 200; i++) assert.deepEqual([...splitter.push(Buffer.from(chunk))], [])
  assert.ok(process.memoryUsage().arrayBuffers - before < 100 * 1_024 * 1_024)
  assert.deepEqual(
    [...splitter.push(Buffer.from('\nok\n'))].map(({ bytes }) => bytes?.toString()),
    [undefined, 'ok'],
  )
})
