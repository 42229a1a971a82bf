import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SequenceAudit } from './sequence-audit.ts'

/** Takes `source epoch sequence`. */
function auditOf(
  events: readonly (readonly [source: string, epoch: string, sequence: number])[],
  bounds: { epochsMax?: number; holesMax?: number },
) {
  const audit = new SequenceAudit({ isTruncated: false, ...bounds })
  for (const [index, [source, epoch, sequence]] of events.entries()) {
    audit.add({ source, epoch, sequence, position: index + 1, id: `${index}`, type: 't', subject: undefined })
  }
  return audit.end()
}

test('more epochs than can be followed: the quiet ones are let go, and nothing is alarmed about', () => {
  const epochs = Array.from({ length: 100 }, (_, index) => `0${String(index).padStart(3, '0')}`)
  const events = epochs.flatMap((epoch) => [1, 2].map((sequence) => ['/s', epoch, sequence] as const))
  // One of the first comes again, with its next number.
  const found = auditOf([...events, ['/s', epochs[3]!, 3]], { epochsMax: 10 })
  assert.deepEqual([found.holes.count, found.late.count, found.repeated.count], [0, 0, 0])
  assert.equal(found.epochs.count, 101)
  assert.ok(found.forgotten.epochs > 0)
})

test('a hole of an epoch that is let go is a finding, and so is one that begins a later epoch', () => {
  const epochs = Array.from({ length: 30 }, (_, index) => `0${String(index).padStart(3, '0')}`)
  const events = epochs.flatMap((epoch) => [2, 4].map((sequence) => ['/s', epoch, sequence] as const))
  const { holes } = auditOf(events, { epochsMax: 10 })
  assert.equal(holes.count, 60)
  assert.deepEqual(
    holes.listed.map(({ epoch, from }) => `${epoch} ${from}`).sort(),
    epochs.flatMap((epoch) => [`${epoch} 1`, `${epoch} 3`]),
  )
})

test('more holes than can be followed are findings at once, and what comes for one later is late', () => {
  const odd = Array.from({ length: 100 }, (_, index) => ['/s', '0a', 2 * index + 1] as const)
  const found = auditOf([...odd, ['/s', '0a', 2], ['/s', '0a', 198]], { holesMax: 20 })
  assert.equal(found.holes.count, 98)
  assert.deepEqual(
    found.late.listed.map(({ sequence }) => sequence),
    [2, 198],
  )
  assert.equal(found.repeated.count, 0)
  assert.ok(found.forgotten.holes >= 80)
})

test('a million open holes are told in a moment', () => {
  const odd = Array.from({ length: 1_000_000 }, (_, index) => ['/s', '0a', 2 * index + 2] as const)
  assert.equal(auditOf(odd, {}).holes.count, 1_000_000)
})
