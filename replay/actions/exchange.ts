/** Publishes events to an exchange, as they were published before. */
import type { ActionPlugin } from '../action.ts'
import { createPublishAction, publishOptions } from './amqp/publish-action.ts'

export const action: ActionPlugin = {
  address: 'exchange:NAME',
  summary: 'Publishes each event to an exchange of RabbitMQ, confirmed',
  options: { ...publishOptions, routingKey: 'Default: as it was' },
  create: (target) => createPublishAction(target, 'exchange'),
}
