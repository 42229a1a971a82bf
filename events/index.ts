export { isJsonText, isJsonType, textOf } from './body-text.ts'
export {
  type Catalog,
  checkData,
  type DataOf,
  type DataSchema,
  defineEvents,
  type EventType,
  eventType,
} from './catalog.ts'
export { Checksum, type Identity } from './checksum.ts'
export {
  cloudEventJson,
  extensionName,
  isExtensionValue,
  isRfc3339,
  parseCloudEventJson,
  untyped,
  withJsonData,
  withJsonDataText,
} from './cloud-event-json.ts'
export { EventError, type EventErrorCode } from './errors.ts'
export {
  type Attributes,
  attributesOf,
  type CloudEvent,
  decodeData,
  type EventInput,
  eventProperties,
  MessageEvent,
  timeOf,
  toMessage,
} from './event.ts'
export { isPlural, type JsonPath, mistake, parsePath, textAt, valuesAt } from './json-path.ts'
export { elementTexts, indentJson, memberText, oneLine } from './json-text.ts'
export { type Logger, silentLogger } from './logger.ts'
export type { Headers, HeaderValue, Message, Properties } from './message.ts'
export type { PatternFinding } from './patterns/explain.ts'
export { compilePattern, type Pattern } from './patterns/pattern.ts'
export { compilePatterns, type RuleSet } from './patterns/rule-set.ts'
export { decodeProperties, encodeProperties } from './properties-json.ts'
export { newEpoch, sequenceHeader, sequenceOf, sequenceText } from './sequence.ts'
export {
  isTracing,
  traceApply,
  traceCreate,
  tracePublish,
  traceRecord,
} from './tracing.ts'
