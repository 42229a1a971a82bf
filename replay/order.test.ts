import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { listSource, ordersOf, recordingAction } from './replay.fixture.ts'
import { replay } from './replay.ts'

test('by key, eight at a time, an action that takes 5 ms is done at least four times as fast, in order per key', async () => {
  const orders = ordersOf(600, { keys: 150 })
  const times: Record<string, number> = {}
  for (const order of ['global', 'key'] as const) {
    const done: { id: number; subject: string }[] = []
    const action = recordingAction({
      answer: async (id, event) => {
        await sleep(5)
        done.push({ id: Number(id), subject: event.attributes.subject! })
        return 'done'
      },
    })
    const startedAt = performance.now()
    const source = listSource(orders, { pageEvents: 100 })
    await replay({ run: 'test', source, rules: [{ name: 'r', action }], order, concurrency: 8 })
    times[order] = performance.now() - startedAt
    assert.equal(done.length, orders.length)
    const last = new Map<string, number>()
    for (const { id, subject } of done) {
      assert.ok(id > (last.get(subject) ?? 0), `${id} after ${last.get(subject)} of ${subject}`)
      last.set(subject, id)
    }
  }
  assert.ok(times.global! / times.key! >= 4, `${times.global} ms to ${times.key} ms`)
})
