export { type Certificate, certify, type Marks } from './certificate.ts'
export type { Consumer } from './consumer.ts'
export type { ConsumerOptions } from './consumer-options.ts'
export type { ConsumerStatus } from './consumer-status.ts'
export {
  type ConsumerDefinition,
  defineConsumer,
  type ErasureContext,
  type ErasureHandler,
  type Handler,
  type HandlerContext,
  type Handlers,
  type ParkingPolicy,
  type ReactContext,
  type Reaction,
  type RetryPolicy,
  type StoreDatabase,
  type TwoPartHandler,
} from './definition.ts'
export { ConsumerError, type ConsumerErrorCode } from './errors.ts'
export type { WaitingFor } from './hand-over.ts'
export {
  auditConsumer,
  type ConsumerAudit,
  type MissingEvent,
  repairConsumer,
} from './marks/consumer-audit.ts'
export type { ConsumerMarks, MarksSetting, MarksTransaction } from './marks/consumer-marks.ts'
export { openConsumerMarks } from './marks/open-marks.ts'
export { readStore } from './open-store.ts'
export { openParkedEvents } from './parking/open-parked-events.ts'
export type { ParkedChange } from './parking/parked-change.ts'
export type {
  MarkOptions,
  ParkedAction,
  ParkedDetails,
  ParkedEntry,
  ParkedEvents,
  ParkedGroup,
  ParkedList,
  ParkedMark,
  ParkedOutcome,
  ParkedSelection,
  ParkedState,
} from './parking/parked-events.ts'
export type { ParkedError, ParkedEvent, ParkingCounts, ParkReason, Part } from './parking/parking.ts'
export { type RedriveOptions, type RedriveProgress, redriveParked } from './parking/redrive-parked.ts'
export { partitionDefinitions } from './partitions/partition-definition.ts'
export {
  type RebuildOptions,
  type RebuildProgress,
  type Rebuilt,
  rebuildConsumer,
} from './rebuild/rebuild.ts'
export { readSqliteStore, type StoredConsumer } from './sqlite/sqlite-store-reader.ts'
export { startConsumer } from './start-consumer.ts'
export type { ConsumerState, Phase } from './store.ts'
