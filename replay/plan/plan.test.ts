import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPlan } from './plan.ts'

test('two rules of one name are a mistake of the plan, told with their places', () => {
  const check = (...names: (string | undefined)[]) => {
    const rules = names.map((name) => ({ to: 'print', ...(name !== undefined && { name }) }))
    return checkPlan({ from: 'a.jsonl', rules }, { name: 'plan.yaml' })
  }
  const message = /^plan\.yaml: rules\.2 has the name of rules\.0, one: /
  assert.throws(() => check('one', 'two', 'one'), { code: 'REPLAY_PLAN_INVALID', message })
  // What a rule without a name is called.
  assert.throws(() => check('rule 2', undefined), { code: 'REPLAY_PLAN_INVALID' })
  assert.equal(check('one', undefined, 'two', undefined).rules.length, 4)
})
