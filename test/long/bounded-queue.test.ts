/** A consumer away for a million events: its queue keeps the newest 10,000, it comes back by itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { absence } from '../fixtures/absence.ts'

const events = 1_000_000
const lengthMax = 10_000
/** I7: what it holds resident does not grow with what it missed. */
const residentMbLimit = 200

test('a consumer away while a million events pass its queue of 10,000 comes back complete, under 200 MB', async (t) => {
  const { kept, certificate, rows, ids, outOfOrder, backMs, residentMbMax } = await absence(t, {
    events,
    lengthMax,
    timeoutMs: 600_000,
  })
  t.diagnostic(`back in ${(backMs / 1_000).toFixed(1)} s, ${Math.round(residentMbMax)} MB resident at most`)
  assert.equal(kept, lengthMax)
  assert.equal(certificate.level, true)
  assert.deepEqual({ rows, ids, outOfOrder }, { rows: events + 100, ids: events + 100, outOfOrder: 0 })
  assert.ok(residentMbMax < residentMbLimit, `${residentMbMax} MB`)
})
