import assert from 'node:assert/strict'
import { test } from 'node:test'
import { killReplays } from './fixtures/killed-replay.ts'

test('a replay into DynamoDB that is killed and resumed leaves the tables of one that was not', async (t) => {
  const told = await killReplays(t, { of: 'resume', kills: 1, events: 1_300, between: [0.85, 0.95] })
  const { kills, checkpointed, differences } = told
  assert.deepEqual([kills, checkpointed, differences], [1, 1, []])
})

test('a retry into DynamoDB that is killed and resumed leaves the tables of a replay without failures', async (t) => {
  const told = await killReplays(t, { of: 'retry', kills: 1, events: 1_300, between: [0.1, 0.7] })
  const { kills, differences, failed } = told
  assert.deepEqual([kills, differences], [1, []])
  assert.ok(failed > 100, `${failed} failed`)
})
