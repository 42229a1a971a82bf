/**
 * The property that the simulation is for: whatever the schedule, every invariant holds.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const program = fileURLToPath(import.meta.resolve('./schedule-process.fixture.ts'))

/**
 * Runs `count` schedules and shrinks the first that breaks an invariant; its report holds the schedule,
 * and the seed and path that make it again.
 */
export async function assertEverySchedule({ seed, count }: { seed: number; count: number }): Promise<void> {
  // The test runner follows each promise of its own process, and there it would take three times as long.
  const run = promisify(execFile)(process.execPath, [
    ...process.execArgv,
    program,
    String(seed),
    String(count),
  ])
  const { stdout } = await run.catch((error: { stderr: string }) => assert.fail(error.stderr))
  const totals = JSON.parse(stdout) as Record<string, number>
  // Schedules in which nothing goes wrong prove nothing.
  for (const [happening, timesMin] of Object.entries(perThousand)) {
    const times = totals[happening] ?? 0
    assert.ok(times >= (timesMin * count) / 1_000, `${happening}: ${times} times in ${count} schedules`)
  }
  const atLimit = totals['known limit'] ?? 0
  assert.ok(atLimit <= count / 500, `${atLimit} of ${count} schedules ended at the known limit`)
}

/** About half of what was measured. */
const perThousand = {
  replayed: 10_000,
  'applied live': 4_000,
  duplicate: 1_500,
  unidentified: 2_500,
  repair: 40,
  session: 1_200,
  process: 1_200,
  'order excused': 200,
}
