import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validate, version } from 'uuid'
import { newEventId } from './event-id.ts'

test('new event ids are UUIDv7, of this time, each greater than the one before', (t) => {
  const now = Date.UTC(2026, 10, 21)
  t.mock.timers.enable({ apis: ['Date'], now })
  let last = ''
  for (let made = 0; made < 10_000; made++) {
    if (made === 3_000) t.mock.timers.setTime(now + 1)
    // A clock that is set back does not bring the order back with it.
    if (made === 6_000) t.mock.timers.setTime(now - 5_000)
    const id = newEventId()
    assert.ok(validate(id) && version(id) === 7, id)
    assert.ok(id > last, `${id} after ${last}`)
    last = id
  }
  assert.equal(Number.parseInt(last.replaceAll('-', '').slice(0, 12), 16), now + 1)
})

test('no event id comes twice', () => {
  const ids = new Set(Array.from({ length: 100_000 }, newEventId))
  assert.equal(ids.size, 100_000)
})
