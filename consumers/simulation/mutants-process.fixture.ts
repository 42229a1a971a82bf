/**
 * The process that tries every mutant (mutants.test.ts), given the most schedules for each. It prints, as
 * JSON by what the mutant leaves out, `caught` or what is wrong.
 */
import fc from 'fast-check'
import { type Mutant, mutants } from './mutants.fixture.ts'
import { schedules } from './schedule.fixture.ts'
import { simulate } from './simulate.fixture.ts'

const scheduleCount = Number(process.argv[2])
const tried = fc.sample(schedules(), { seed: 20_261_121, numRuns: scheduleCount })
/** Of these, in order, so many are known to hold where nothing is left out. */
let sound = 0

const verdicts: Record<string, string> = {}
for (const mutant of mutants) verdicts[mutant.without] = await verdictOn(mutant)
process.stdout.write(JSON.stringify(verdicts))

async function verdictOn({ breaks, tampering }: Mutant): Promise<string> {
  for (const [index, schedule] of tried.entries()) {
    const { violation } = await simulate(schedule, tampering)
    if (violation === undefined) continue
    if (!breaks.includes(violation.invariant)) return violation.message
    return (await unsoundUpTo(index)) ?? 'caught'
  }
  return `No schedule of ${scheduleCount} has noticed`
}

/** What a schedule, or one before it, breaks where nothing is left out. */
async function unsoundUpTo(index: number): Promise<string | undefined> {
  for (; sound <= index; sound++) {
    const { violation } = await simulate(tried[sound]!)
    if (violation !== undefined) return violation.message
  }
  return undefined
}
