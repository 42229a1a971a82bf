export type { ChangedRange } from './audit/checkpoint-audit.ts'
export type { Findings } from './audit/findings.ts'
export { auditHistory, type HistoryAudit, type HistoryAuditOptions } from './audit/history-audit.ts'
export { auditPartitions, type MissingSequences, type PartitionsAudit } from './audit/partitions-audit.ts'
export type { RemovedRange } from './audit/removed-events.ts'
export type { RepeatedSequence } from './audit/repeated-sequences.ts'
export type { EpochSummary, OutOfOrder, SequenceFindings, SequenceHole } from './audit/sequence-audit.ts'
export { HistoryError, type HistoryErrorCode, isTransient } from './errors.ts'
export { type EventFilter, isIndexed, matchesFilter } from './event-filter.ts'
export { eventLine, messageLine, readEventLine } from './event-line.ts'
export { type Feed, type FeedOptions, serveFeed } from './feed/feed.ts'
export { isFeedUrl } from './feed/feed-address.ts'
export type { FeedStatus } from './feed/feed-status.ts'
export type { FeedLimits } from './feed/limits.ts'
export { openapi } from './feed/openapi.ts'
export type { ErasureOptions, HistoryKeeper } from './keeper.ts'
export { type HistoryOptions, openHistory, openHistoryKeeper, openHistoryWriter } from './open-history.ts'
export { partitionHistory } from './partition-history.ts'
export { EventTest, patternFilter, publishedTest, requiredBy, selectFor } from './pattern-match.ts'
export { positionAt } from './position-at.ts'
export {
  cutPostgres,
  isPostgresUrl,
  loadPostgres,
  openPostgres,
  type PostgresClient,
  postgresError,
  sendQuery,
  shownAddress,
  takeFailure,
} from './postgres/postgres.ts'
export { fromText, identityKey, toText } from './postgres/postgres-text.ts'
export type { Pruned, PruneOptions, PruneRule } from './prune.ts'
export type {
  Checkpoint,
  Erasure,
  HistoryCounts,
  HistoryReader,
  HistorySummary,
  Page,
  PrunedRange,
  Selected,
  SelectPage,
} from './reader.ts'
export {
  type Adoption,
  type AdoptionOptions,
  type AdoptionStatus,
  startAdoption,
} from './recorder/adoption.ts'
export { BatchSizes, type SizeCounts } from './recorder/batch-sizes.ts'
export { readBindings } from './recorder/bindings-note.ts'
export {
  type Recorder,
  type RecorderOptions,
  type RecorderStatus,
  startRecorder,
} from './recorder/recorder.ts'
export { type Condition, parseCondition } from './search/condition.ts'
export { type SearchOptions, searchHistory } from './search/search-history.ts'
export { checkSqliteFile } from './sqlite/file-check.ts'
export { canonicalPath } from './sqlite/file-identity.ts'
export { lacksReserve } from './sqlite/reserve.ts'
export { isHistory } from './sqlite/schema.ts'
export { loadSqlite, lockFile, openSqlite, type SqliteDatabase } from './sqlite/sqlite.ts'
export type { EventOutline, PositionedIdentity, SequencedEvent, StoredEvent } from './stored-event.ts'
export { bodyLengthOf } from './stored-event.ts'
export { type Copied, type CopyOptions, copyHistory } from './transfer/copy-history.ts'
export type { TransferProgress } from './transfer/event-pages.ts'
export { type ExportOptions, exportHistory } from './transfer/export-history.ts'
export { type Imported, type ImportOptions, importHistory } from './transfer/import-history.ts'
export type { Manifest, ManifestPart } from './transfer/manifest.ts'
export { exportLines } from './transfer/page-lines.ts'
export {
  type DifferentEvent,
  type HistoryVerification,
  type MisplacedEvent,
  type UnreadableEvent,
  type VerifyOptions,
  verifyHistory,
} from './transfer/verify-history.ts'
export type { HistoryWriter } from './writer.ts'
