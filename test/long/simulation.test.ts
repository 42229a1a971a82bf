import { test } from 'node:test'
import { assertEverySchedule } from '../../consumers/simulation/every-schedule.fixture.ts'

const scheduleCount = 20_000

test(`in ${scheduleCount} schedules of crashes, losses and delays, each event takes effect once and in order`, async () => {
  await assertEverySchedule({ seed: 8_128, count: scheduleCount })
})
