import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FailureCause } from '../failure-cause.ts'
import { Tally, type TallyState } from './tally.ts'

const rules = [{ name: 'all', action: 'print' }]
const refused: FailureCause = { rule: 'all', kind: 'refused', code: 'BAD', message: '', attempts: 1 }

/** Of a cause of its own for each word, since numbers make no other. */
function failures(tally: Tally, { from, to }: { from: number; to: number }): void {
  for (let n = from; n < to; n++)
    tally.fail({ ...refused, message: wordOf(n) }, { place: `event ${n}`, type: 'a' })
}

function wordOf(n: number): string {
  return [...String(n)].map((digit) => 'abcdefghij'[Number(digit)]).join('')
}

test('causes beyond the first thousand are one group, also after a run has gone on twice', () => {
  let state: TallyState | undefined
  for (const from of [0, 1_100, 1_200]) {
    const tally = new Tally(rules, state)
    failures(tally, { from, to: from === 0 ? 1_100 : from + 100 })
    state = JSON.parse(JSON.stringify(tally.state)) as TallyState
  }
  const rest = state!.causes.filter(({ message }) => message === '(others)')
  assert.deepEqual(
    rest.map(({ events, types }) => [events, types]),
    [[300, { a: 300 }]],
  )
  assert.equal(state!.causes.length, 1_001)
})

test('events that are held are one cause of their rule, whatever their keys', () => {
  const tally = new Tally(rules)
  for (const [rule, key] of [
    ['all', 'ada'],
    ['all', 'bo'],
    ['some', 'bo'],
  ] as const) {
    const message = `waits behind a failed event of its key ${key}`
    tally.fail(
      { rule, kind: 'held', code: 'REPLAY_EVENT_HELD', message, attempts: 0 },
      { place: key, type: 'a' },
    )
  }
  assert.deepEqual(
    tally.state.causes.map(({ rule, events, examples }) => [rule, events, examples]),
    [
      ['all', 2, ['ada', 'bo']],
      ['some', 1, ['bo']],
    ],
  )
})
