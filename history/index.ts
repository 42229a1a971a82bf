export { BatchSizes, type SizeCounts } from './batch-sizes.ts'
export type { ChangedRange } from './checkpoint-audit.ts'
export { HistoryError, type HistoryErrorCode, isTransient } from './errors.ts'
export { canonicalPath } from './file-identity.ts'
export type { Findings } from './findings.ts'
export { auditHistory, type HistoryAudit, type HistoryAuditOptions } from './history-audit.ts'
export {
  cutPostgres,
  isPostgresUrl,
  openPostgres,
  type PostgresClient,
  postgresError,
  sendQuery,
  shownAddress,
  takeFailure,
} from './postgres.ts'
export type { Checkpoint, HistoryReader, HistorySummary, Page } from './reader.ts'
export { type Recorder, type RecorderOptions, type RecorderStatus, startRecorder } from './recorder.ts'
export type { RemovedRange } from './removed-events.ts'
export type { RepeatedSequence } from './repeated-sequences.ts'
export { isHistory } from './schema.ts'
export type { EpochSummary, OutOfOrder, SequenceFindings, SequenceHole } from './sequence-audit.ts'
export { lockFile, openSqlite, type SqliteDatabase } from './sqlite.ts'
export { openHistory } from './sqlite-reader.ts'
export { openHistoryWriter } from './sqlite-writer.ts'
export type { PositionedIdentity, SequencedEvent, StoredEvent } from './stored-event.ts'
export type { HistoryWriter } from './writer.ts'
