import { describe } from 'node:test'
import { sqlitePlace } from '../../replay/actions/sql/sqlite-place.fixture.ts'
import { mariadbPlace } from '../fixtures/mariadb-place.ts'
import { postgresPlace } from '../fixtures/postgres-place.ts'
import { killedReplayContract } from '../killed-replay.contract.ts'

/** Told in the titles; BACKSTORY_SEED draws the same moments again. */
const seed = Number(process.env.BACKSTORY_SEED ?? Date.now() % 100_000)
const many = { kills: 50, events: 3_000, seed }

// Each waits for its disk or its server most of the time.
describe('the crash matrix', { concurrency: 3 }, () => {
  killedReplayContract('sqlite', sqlitePlace, many)
  killedReplayContract('postgres', postgresPlace, many)
  killedReplayContract('mariadb', mariadbPlace, many)
})
