export { PublishError, type PublishErrorCode } from './errors.ts'
export { type EventOf, openPublisher, type Publisher, type PublisherOptions } from './publisher.ts'
