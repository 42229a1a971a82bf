import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, duration } from './columns.ts'
import { reportsOfEveryKind } from './report.fixture.ts'
import { reportText } from './text.ts'

test('a report tells what came of each rule and type, why events failed, and what to type next', async () => {
  const { failing } = await reportsOfEveryKind()
  const steady = { ...failing!, bytes: 1_234, seconds: 61, eventsPerSecond: 0.23, peakMemoryBytes: 91.26e6 }
  const next = { 'try the failures again': 'backstory replay --retry r1' }
  const expected = `
run         r1
ended       done
source      a list
order       global
read        14 events, 1.2 KB
matched     13 events
failed      7 events
unreadable  1 event
first       1, 2026-01-01T00:00:00Z
last        14
checksum    ${failing!.checksum}
took        1:01, 0 events a second
memory      91.3 MB at most

rule  type             matched  acted  skipped  failed  held  action
cars                         6      0        0       3     3  a list
      order.placed           6      0        0       3     3
all                         13      0       13       0     0  a list
      order.placed           6      0        6       0     0
      order.<shipped>        6      0        6       0     0
      (no type)              1      0        1       0     0

events  rule  failure  code                     cause                                                                   such as
     3  cars  held     REPLAY_EVENT_HELD        waits behind a failed event of its key k0                               event 7; event 9; event 11
     1        refused  REPLAY_EVENT_UNREADABLE  event 13 is no JSON: Unexpected token 'o', "no JSON" is not valid JSON  event 13
     1  cars  refused  429                      slow "down" & <wait>                                                    event 1
     1  cars  refused  REPLAY_EVENT_REFUSED     no price                                                                event 3
     1  cars  refused  23505                    the key is there\\u0007                                                  event 5

To try the failures again: backstory replay --retry r1
`
  assert.equal(`\n${reportText(steady, { next })}`, expected)
})

test('a dry run says so, and what each kind of action would have written', async () => {
  const { dry } = await reportsOfEveryKind()
  const text = reportText(dry!)
  assert.match(text, /^ended {5}done; a dry run: nothing was written$/m)
  for (const sample of [
    'rule 0 would, for event 1:\n  INSERT INTO cars\n  VALUES ($1)\n  [1,null,"x"]\n',
    'rule 1 would, for event 1:\n  POST http://localhost/\n  a: b\n  {"a":1}\n',
    'rule 2 would, for event 1:\n  DELETE http://localhost/1\n',
    'rule 3 would, for event 1:\n  publish to the default exchange, routing key "cars"\n  n: 1\n  {}\n',
    'rule 4 would, for event 1:\n  call ship\n  {"id":"1"}\n',
    'rule 5 would, for event 1:\n  write to standard output\n  {}\n',
  ]) {
    assert.ok(text.includes(sample), text)
  }
})

test('thousands of types and long messages do not make it long, and nothing in it reaches the terminal', async () => {
  const { done } = await reportsOfEveryKind()
  const [rule] = done!.rules
  const counts = { matched: 1, acted: 1, skipped: 0, failed: 0, held: 0 }
  const types = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`type ${at}\x1b[2J`, counts]))
  const cause = { rule: 'all', kind: 'refused' as const, code: 'X', types: {}, events: 1, examples: [] }
  const causes = Array.from({ length: 900 }, (_, at) => ({ ...cause, message: `${at} ${'x'.repeat(9_000)}` }))
  const text = reportText({ ...done!, rules: [{ ...rule!, types }], causes })
  assert.ok(text.length < 20_000, `${text.length} characters`)
  assert.match(text, /and 980 more types/)
  assert.match(text, /and 880 more causes/)
  assert.ok(!text.includes('\x1b'))
  assert.ok(text.includes('type 0\\u001b[2J'))
})

test('sizes and durations are in the unit that people use for them', () => {
  assert.deepEqual([0, 999, 1_000, 999_950, 1.5e12].map(bytes), [
    '0 bytes',
    '999 bytes',
    '1.0 KB',
    '1.0 MB',
    '1.5 TB',
  ])
  assert.deepEqual([0.04, 59.9, 61, 3_723].map(duration), ['0.0 s', '59.9 s', '1:01', '1:02:03'])
})
