import assert from 'node:assert/strict'
import { test } from 'node:test'
import { momentOf } from './moment.ts'

const now = Date.parse('2026-11-21T12:00:00Z')
const at = (text: string) => momentOf(text, { option: 'since', now }).toISOString()

test('a moment is a time, in UTC where no zone is given, or how long ago', () => {
  assert.equal(at('2h'), '2026-11-21T10:00:00.000Z')
  assert.equal(at('3d'), '2026-11-18T12:00:00.000Z')
  assert.equal(at('90s'), '2026-11-21T11:58:30.000Z')
  assert.equal(at('2026-11-20'), '2026-11-20T00:00:00.000Z')
  assert.equal(at('2026-11-20T10:00'), '2026-11-20T10:00:00.000Z')
  assert.equal(at('2026-11-20T10:00:30.5+02:00'), '2026-11-20T08:00:30.500Z')
})

test('what is no moment is refused', () => {
  for (const text of ['yesterday', '2 h', '-2h', '2026-13-01', '2026-11-20 10:00', '1y', '17']) {
    assert.throws(() => at(text), { code: 'CLI_USAGE', message: /--since must be a time such as/ }, text)
  }
})
