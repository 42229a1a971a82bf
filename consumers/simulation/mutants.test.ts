import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { mutants } from './mutants.fixture.ts'

/** Within so many schedules each mutant must be caught. */
const scheduleCount = 4_000
const program = fileURLToPath(import.meta.resolve('./mutants-process.fixture.ts'))
let verdicts: Readonly<Record<string, string>> = {}

before(async () => {
  // The test runner follows each promise of its own process, and there it would take three times as long.
  const args = [...process.execArgv, program, String(scheduleCount)]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  verdicts = JSON.parse(stdout) as typeof verdicts
})

for (const { without } of mutants) {
  test(`without ${without}, the simulation fails`, () => {
    assert.equal(verdicts[without], 'caught')
  })
}
