import { sqlStorageContract } from '../replay/actions/sql/sql-storage.contract.ts'
import { postgresPlace } from './fixtures/postgres-place.ts'

sqlStorageContract('postgres', postgresPlace)
