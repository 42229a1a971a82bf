import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { mutants } from './mutants.fixture.ts'
import { schedules } from './schedule.fixture.ts'
import { simulate } from './simulate.fixture.ts'

/** Within so many schedules each mutant must be caught. */
const scheduleCount = 4_000
const tried = fc.sample(schedules(), { seed: 20_261_121, numRuns: scheduleCount })

for (const { without, breaks, tampering } of mutants) {
  test(`without ${without}, the simulation fails`, async () => {
    for (const [index, schedule] of tried.entries()) {
      const { violation } = await simulate(schedule, tampering)
      if (violation === undefined) continue
      assert.ok(breaks.includes(violation.invariant), violation.message)
      await assertSound(index)
      return
    }
    assert.fail(`No schedule of ${scheduleCount} has noticed`)
  })
}

let soundUpTo = -1

/** The same schedules, up to this one, hold where nothing is left out. */
async function assertSound(index: number): Promise<void> {
  for (; soundUpTo < index; soundUpTo++) {
    const { violation } = await simulate(tried[soundUpTo + 1]!)
    assert.equal(violation, undefined)
  }
}
