/**
 * The process that runs schedules (every-schedule.fixture.ts), given a seed and their number. It prints,
 * as JSON, how often things happened, or dies of the first schedule that broke an invariant.
 */
import fc from 'fast-check'
import { schedules } from './schedule.fixture.ts'
import { simulate } from './simulate.fixture.ts'

const [seed, count] = process.argv.slice(2).map(Number) as [number, number]
const totals: Record<string, number> = {}
await fc.assert(
  fc.asyncProperty(schedules(), async (schedule) => {
    const { violation, counts } = await simulate(schedule)
    for (const [happening, times] of Object.entries(counts)) {
      totals[happening] = (totals[happening] ?? 0) + times
    }
    if (violation !== undefined) throw violation
  }),
  { seed, numRuns: count },
)
process.stdout.write(JSON.stringify(totals))
