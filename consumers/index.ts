export { type Certificate, certify, type Marks } from './certificate.ts'
export { type Consumer, startConsumer } from './consumer.ts'
export { auditConsumer, type ConsumerAudit, type MissingEvent, repairConsumer } from './consumer-audit.ts'
export type { ConsumerMarks, MarksSetting, MarksTransaction } from './consumer-marks.ts'
export type { ConsumerOptions } from './consumer-options.ts'
export type { ConsumerStatus } from './consumer-status.ts'
export {
  type ConsumerDefinition,
  defineConsumer,
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
export { openConsumerMarks } from './open-marks.ts'
export { openParkedEvents } from './open-parked-events.ts'
export { readStore } from './open-store.ts'
export type { ParkedChange } from './parked-change.ts'
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
} from './parked-events.ts'
export type { ParkedError, ParkedEvent, ParkingCounts, ParkReason, Part } from './parking.ts'
export { type RebuildOptions, type RebuildProgress, type Rebuilt, rebuildConsumer } from './rebuild.ts'
export { type RedriveOptions, type RedriveProgress, redriveParked } from './redrive-parked.ts'
export { readSqliteStore, type StoredConsumer } from './sqlite-store-reader.ts'
export type { ConsumerState, Phase } from './store.ts'
