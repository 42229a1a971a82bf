import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Line, readLines } from './json-lines.ts'

test('lines come whole and numbered, however their bytes are cut', async () => {
  const line = fc.constantFrom('{"a":1}', '', '  ', 'é', 'long '.repeat(20).trim(), '{"b":"𝄞"}\r')
  await fc.assert(
    fc.asyncProperty(
      fc.array(line),
      fc.array(fc.nat(200)),
      fc.boolean(),
      async (lines, cuts, endsWithNewline) => {
        const bytes = Buffer.from(lines.join('\n') + (endsWithNewline ? '\n' : ''))
        const expected = lines
          .map((text, index) => ({ number: index + 1, text: text.trim() }))
          .filter(({ text }) => text !== '')
        assert.deepEqual(await linesOf(cut(bytes, cuts)), expected)
      },
    ),
    { numRuns: 500 },
  )
})

test('a byte order mark is no part of the first line', async () => {
  assert.deepEqual(await linesOf([Buffer.from('\ufeff{}\n{}')]), [
    { number: 1, text: '{}' },
    { number: 2, text: '{}' },
  ])
})

test('a line that is no UTF-8 is told by its number, and the next ones are read', async () => {
  const lines = await linesOf([Buffer.from('ok\n'), Buffer.from([0xff, 0x0a]), Buffer.from('ok\n')])
  assert.deepEqual(lines, [
    { number: 1, text: 'ok' },
    { number: 2, text: undefined, reason: 'is no UTF-8' },
    { number: 3, text: 'ok' },
  ])
})

test('a line that is too long is told, is not kept, and ends at its newline', async () => {
  const lines = await linesOf(
    [Buffer.from(`${'x'.repeat(30)}`), Buffer.from(`${'x'.repeat(30)}\nok\n${'y'.repeat(51)}`)],
    50,
  )
  assert.deepEqual(lines, [
    { number: 1, text: undefined, reason: 'is longer than 50 bytes' },
    { number: 2, text: 'ok' },
    { number: 3, text: undefined, reason: 'is longer than 50 bytes' },
  ])
})

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set([0, ...cuts.filter((place) => place < bytes.length), bytes.length])].sort(
    (a, b) => a - b,
  )
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end))
}

async function linesOf(chunks: readonly Buffer[], bytesMax?: number): Promise<Line[]> {
  async function* stream() {
    yield* chunks
  }
  const lines = []
  for await (const line of readLines(stream(), { bytesMax })) lines.push(line)
  return lines
}
