/**
 * Backstory: RabbitMQ fan-out that remembers.
 *
 * Publish with `openPublisher`, keep with `startRecorder`, read with `openHistory`, and let a service join
 * at any time with `defineConsumer` and `startConsumer`. Importing this does nothing by itself.
 */
export {
  type Broker,
  BrokerError,
  type BrokerErrorCode,
  type BrokerOptions,
  connectBroker,
  consumerQueueOf,
  deadQueueOf,
  declareTopology,
  deleteTopology,
  historyQueueOf,
} from './broker/index.ts'
export {
  type Certificate,
  type Consumer,
  type ConsumerDefinition,
  ConsumerError,
  type ConsumerErrorCode,
  type ConsumerOptions,
  type ConsumerState,
  type ConsumerStatus,
  certify,
  defineConsumer,
  type Handler,
  type HandlerContext,
  type Handlers,
  type Marks,
  type Phase,
  type RetryPolicy,
  readSqliteStore,
  type StoredConsumer,
  startConsumer,
  type WaitingFor,
} from './consumers/index.ts'
export {
  type Catalog,
  Checksum,
  type CloudEvent,
  type DataOf,
  defineEvents,
  EventError,
  type EventErrorCode,
  type EventInput,
  type EventType,
  eventType,
  type Headers,
  type HeaderValue,
  type Identity,
  type Logger,
  type Message,
  type Properties,
} from './events/index.ts'
export {
  HistoryError,
  type HistoryErrorCode,
  type HistoryReader,
  type HistorySummary,
  openHistory,
  type Page,
  type PositionedIdentity,
  type Recorder,
  type RecorderOptions,
  type RecorderStatus,
  type SqliteDatabase,
  type StoredEvent,
  startRecorder,
} from './history/index.ts'
export {
  type EventOf,
  openPublisher,
  PublishError,
  type PublishErrorCode,
  type Publisher,
  type PublisherOptions,
} from './publisher/index.ts'
