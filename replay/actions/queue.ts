/** Puts events straight into a queue, past every exchange that others are bound to. */
import type { ActionPlugin } from '../action.ts'
import { createPublishAction, publishOptions } from './amqp/publish-action.ts'

export const action: ActionPlugin = {
  address: 'queue:NAME',
  summary: 'Puts each event into one queue of RabbitMQ, confirmed',
  options: publishOptions,
  create: (target) => createPublishAction(target, 'queue'),
}
