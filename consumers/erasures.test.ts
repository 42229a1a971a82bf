import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../events/index.ts'
import type { Erasure, HistoryReader } from '../history/index.ts'
import type { Applier } from './applier.ts'
import { Erasures } from './erasures.ts'

function erasureOf(number: number, lastPosition: number): Erasure {
  return { number, subject: 'EC-1', reason: 'asked for', by: 'me', at: new Date(0), events: 1, lastPosition }
}

test('an erasure is told when its last event was passed, in order, and looked for now and then', async () => {
  const recorded = [erasureOf(1, 5), erasureOf(2, 3), erasureOf(3, 9)]
  const state = { cursor: 4, erasure: 0 }
  let [now, looks] = [0, 0]
  const told: number[] = []
  const history = {
    erasures: async ({ after }: { after: number }) => {
      looks += 1
      return recorded.filter(({ number }) => number > after).slice(0, 1)
    },
  }
  const applier = {
    state,
    async erase({ number }: Erasure) {
      told.push(number)
      state.erasure = number
    },
  }
  const erasures = new Erasures({
    consumer: 'c',
    history: history as unknown as HistoryReader,
    applier: applier as unknown as Applier<unknown>,
    auditMs: 10,
    clock: { now: () => now, sleep: async () => {} },
    logger: silentLogger,
  })
  await erasures.follow()
  assert.deepEqual(told, [], 'an event of it may still come, whole')
  state.cursor = 8
  await erasures.follow()
  assert.deepEqual([told, looks], [[], 1], 'not yet time to look')
  now += 500
  await erasures.follow()
  assert.deepEqual(told, [1, 2])
  state.cursor = 9
  now += 500
  await erasures.follow()
  assert.deepEqual(told, [1, 2, 3])
})
