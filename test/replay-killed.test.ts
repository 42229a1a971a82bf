import { sqlitePlace } from '../replay/actions/sql/sqlite-place.fixture.ts'
import { mariadbPlace } from './fixtures/mariadb-place.ts'
import { postgresPlace } from './fixtures/postgres-place.ts'
import { killedReplayContract } from './killed-replay.contract.ts'

const some = { kills: 2, events: 1_200, seed: 7 }

killedReplayContract('sqlite', sqlitePlace, some)
killedReplayContract('postgres', postgresPlace, some)
killedReplayContract('mariadb', mariadbPlace, some)
