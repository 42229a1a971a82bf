export { PublishError, type PublishErrorCode } from './errors.ts'
export { type OutboxOptions, openOutbox } from './outbox.ts'
export type { OutboxHead, OutboxRow, OutboxRows, OutboxSession } from './outbox-rows.ts'
export type { PostgresOutbox } from './postgres-outbox.ts'
export type {
  PostgresOutboxClient,
  PostgresOutboxPool,
  PostgresOutboxSession,
} from './postgres-outbox-pool.ts'
export { type EventOf, openPublisher, type Publisher, type PublisherOptions } from './publisher.ts'
export { type Relay, type RelayOptions, type RelayStatus, startRelay } from './relay.ts'
export type { SqliteOutbox } from './sqlite-outbox.ts'
export type { SqliteOutboxDatabase, SqliteOutboxStatement } from './sqlite-outbox-database.ts'
