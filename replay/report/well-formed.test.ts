import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ActionFailure } from '../action.ts'
import { listSource, recordingAction } from '../replay.fixture.ts'
import { replay } from '../replay.ts'

test('a report has no half of a surrogate pair, wherever one came from, and types that differ still do', async () => {
  const events = ['\ud800', '\udc00', 'whole 😀', '__proto__'].map((type, n) => ({ id: `${n}\ud801`, type }))
  const refusing = recordingAction({ answer: async (id) => new ActionFailure('refused', 'X', `not ${id}`) })
  const options = { run: 'r1', source: listSource(events), maxFailures: 100 }
  for (const dryRun of [false, true]) {
    const rules = [{ name: 'all \ud802', action: refusing }]
    const report = await replay({ ...options, rules, dryRun })
    assert.doesNotMatch(JSON.stringify(report), /[^\\]\\ud[89a-f]/)
    const [rule] = report.rules
    assert.equal(rule!.name, 'all \\ud802')
    assert.deepEqual(Object.keys(rule!.types), ['\\ud800', '\\udc00', 'whole 😀', '__proto__'])
    for (const { matched } of Object.values(rule!.types)) assert.equal(matched, 1)
  }
})
