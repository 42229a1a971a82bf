import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { compilePattern } from '../../events/index.ts'
import { ActionFailure } from '../action.ts'
import { listSource, type Order, recordingAction } from '../replay.fixture.ts'
import { replay } from '../replay.ts'

const types = ['put', 'put', 'delete', 'put', 'delete']
const events: (Order & { type: string })[] = Array.from({ length: 300 }, (_, at) => ({
  id: String(at + 1),
  subject: `k${at % 7}`,
  type: types[at % types.length]!,
}))

for (const order of ['global', 'key'] as const) {
  test(`rules that act on one table keep the order of a key between them: ${order}`, async () => {
    const table: string[] = []
    await run({
      order,
      target: 'table',
      answer: async (id) => {
        table.push(id)
        return undefined
      },
    })
    for (let key = 0; key < 7; key++) {
      const ids = table.map(Number).filter((id) => (id - 1) % 7 === key)
      assert.deepEqual(
        ids,
        [...ids].sort((a, b) => a - b),
      )
    }
    assert.equal(table.length, events.length)
  })
}

test('what fails under one rule holds its key under the others of that table, and only there', async () => {
  for (const [target, held] of [
    ['table', events.filter(({ subject }, at) => subject === 'k0' && at > 0).length],
    [
      undefined,
      events.filter(({ subject, type }, at) => subject === 'k0' && type === 'put' && at > 0).length,
    ],
  ] as const) {
    const report = await run({
      order: 'key',
      target,
      answer: async (id) => (id === '1' ? new ActionFailure('refused', 'X', 'never') : undefined),
    })
    assert.equal(
      report.rules.reduce((sum, rule) => sum + rule.held, 0),
      held,
    )
  }
})

/** One rule is slow, so that the other would overtake it. */
async function run({
  order,
  target,
  answer,
}: {
  order: 'global' | 'key'
  target: string | undefined
  answer: (id: string) => Promise<ActionFailure | undefined>
}) {
  const rules = ['put', 'delete'].map((type) => {
    const action = recordingAction({
      batchMax: 5,
      answer: async (id) => {
        if (type === 'put') await sleep(1)
        return (await answer(id)) ?? 'done'
      },
    })
    return {
      name: type,
      pattern: compilePattern({ type: [type] }),
      action: { ...action, name: type, ...(target && { target }) },
    }
  })
  return await replay({ run: 'test', source: listSource(events), rules, order, concurrency: 4 })
}
