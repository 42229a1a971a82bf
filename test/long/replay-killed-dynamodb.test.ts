import assert from 'node:assert/strict'
import { test } from 'node:test'
import { killReplays } from '../fixtures/killed-replay.ts'

for (const of of ['resume', 'retry'] as const) {
  test(`DynamoDB: after 50 kills at random moments of a ${of} the tables are those of a run never interrupted`, async (t) => {
    const told = await killReplays(t, { of, kills: 50, events: 4_000, between: [0, 0.6] })
    t.diagnostic(JSON.stringify({ ...told, differences: told.differences.length }))
    assert.deepEqual([told.kills, told.differences], [50, []])
    assert.ok(told.checkpointed >= 5, `${told.checkpointed} kills behind a checkpoint`)
  })
}
