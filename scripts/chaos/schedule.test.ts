import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultKinds } from './fault.ts'
import { drawSchedule } from './schedule.ts'

const options = { seconds: 120, nodes: 1, postgres: true }
const schedules = Array.from({ length: 50 }, (_, seed) => drawSchedule({ ...options, seed }))

test('the same seed draws the same faults, another seed others', () => {
  assert.deepEqual(drawSchedule({ ...options, seed: 7 }), drawSchedule({ ...options, seed: 7 }))
  assert.notDeepEqual(schedules[7], schedules[8])
})

test('every kind of fault is drawn, and one consumer joins late in every schedule', () => {
  const drawn = new Set(schedules.flat().map(({ kind }) => kind))
  assert.deepEqual([...drawn].sort(), [...faultKinds].sort())
  for (const schedule of schedules) assert.equal(schedule.filter(({ kind }) => kind === 'join').length, 1)
})

test('a run without PostgreSQL has no fault and no process of it', () => {
  const faults = Array.from({ length: 50 }, (_, seed) => drawSchedule({ ...options, seed, postgres: false }))
  for (const { kind, target } of faults.flat()) {
    assert.notEqual(kind, 'postgres-kill')
    assert.doesNotMatch(target, /accounting/)
  }
})

test('faults come in the order of their times, and every one ends with the schedule', () => {
  for (const schedule of schedules) {
    assert.deepEqual(
      schedule.map(({ atMs }) => atMs),
      schedule.map(({ atMs }) => atMs).sort((a, b) => a - b),
    )
    for (const { atMs, forMs } of schedule) assert.ok(atMs >= 0 && atMs + forMs <= 120_000)
  }
})

test('a process that was killed or stopped is left alone until it is back, and one node at a time is down', () => {
  for (const [kinds, resource] of [
    [['kill', 'pause'], (target: string) => target],
    [['node-kill', 'node-restart'], () => 'the cluster'],
  ] as const) {
    for (const schedule of schedules) {
      const until = new Map<string, number>()
      for (const { atMs, kind, target, forMs } of schedule) {
        if (!(kinds as readonly string[]).includes(kind)) continue
        const busy = resource(target)
        assert.ok(atMs >= (until.get(busy) ?? 0), `${kind} ${target} at ${atMs}`)
        until.set(busy, atMs + forMs)
      }
    }
  }
})
