import assert from 'node:assert/strict'
import { test } from 'node:test'
import { killReplays } from './fixtures/killed-replay.ts'

test('a replay into DynamoDB that is killed and resumed leaves the tables of one that was not', async (t) => {
  const { kills, differences } = await killReplays(t, { of: 'resume', kills: 1, events: 1_200 })
  assert.deepEqual([kills, differences], [1, []])
})

test('a retry into DynamoDB that is killed and resumed leaves the tables of a replay without failures', async (t) => {
  const { kills, differences, failed } = await killReplays(t, { of: 'retry', kills: 1, events: 1_200 })
  assert.deepEqual([kills, differences], [1, []])
  assert.ok(failed > 100, `${failed} failed`)
})
