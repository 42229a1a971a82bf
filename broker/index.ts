export {
  type Binding,
  bindingsBeside,
  bindingsText,
  catchAllOf,
  checkBindings,
} from './bindings.ts'
export { type BrokerSurvey, surveyBroker } from './broker-survey.ts'
export { BrokerChannel, type Delivery, type StreamStart } from './channel.ts'
export { Broker, type BrokerOptions, connectBroker } from './connection.ts'
export { cursorMessage, cursorNoticeOf } from './cursor-notice.ts'
export { BrokerError, type BrokerErrorCode, replyCodeOf } from './errors.ts'
export { fenceIdOf, fenceMessage, newFenceId } from './fence.ts'
export {
  checkPartition,
  declareAroundPartition,
  declarePartitions,
  type Partition,
  partitionExchangesOf,
  partitionOf,
  requirePartitions,
} from './partitions.ts'
export { sendConfirmed } from './send-confirmed.ts'
export { lastStreamOffset } from './stream-end.ts'
export { streamOffsetOf, withoutStreamOffset } from './stream-offset.ts'
export {
  consumerQueueOf,
  deadQueueOf,
  declareAsRecorded,
  declareToPublish,
  declareTopology,
  deleteTopology,
  historyQueueOf,
  type QueueToDeclare,
  requireExchangeName,
  type TopologyToDeclare,
} from './topology.ts'
export { type ArgumentValue, queueCounts, type TopologyDifference } from './topology-inspect.ts'
export { lintTopology, type TopologyLint, type TopologyLintOptions } from './topology-lint.ts'
export {
  applyTopology,
  planTopology,
  type TopologyOptions,
  type TopologyPlan,
  type TopologyToDelete,
} from './topology-plan.ts'
export type { TopologyFinding, TopologyFindingCode } from './topology-rules.ts'
export type { NotJudged, TopologyItem } from './topology-survey.ts'
export type { PartedExchange } from './topology-surveys.ts'
export { redactUrl } from './url.ts'
