import { sqlStorageContract } from '../replay/actions/sql/sql-storage.contract.ts'
import { mariadbPlace } from './fixtures/mariadb-place.ts'

sqlStorageContract('mariadb', mariadbPlace)
