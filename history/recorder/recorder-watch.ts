/**
 * The watch on a recorder's queue: how much waits in it, and what RabbitMQ has put aside as dead.
 *
 * Looked at when a channel is opened and every few seconds from then on, since a dead letter tells nobody:
 * it is no loss yet, but it is not in the history either. A dead-letter queue that somebody has deleted
 * ends the channel, and is there again with the next one.
 */
import { type BrokerChannel, deadQueueOf } from '../../broker/index.ts'
import type { Logger } from '../../events/index.ts'

export class QueueWatch {
  readonly #queue: string
  readonly #exchange: string
  readonly #logger: Logger
  #backlog = 0
  #deadLetters = 0

  constructor({ queue, exchange, logger }: { queue: string; exchange: string; logger: Logger }) {
    this.#queue = queue
    this.#exchange = exchange
    this.#logger = logger
  }

  /** Messages that the broker had not handed out. */
  get backlog(): number {
    return this.#backlog
  }

  get deadLetters(): number {
    return this.#deadLetters
  }

  /** @throws the client's error where the channel ends first. */
  async look(channel: BrokerChannel): Promise<void> {
    this.#backlog = await channel.count(this.#queue)
    const deadLetters = await channel.count(deadQueueOf(this.#queue))
    if (deadLetters > this.#deadLetters)
      this.#logger.error('recorder.dead-letters', { exchange: this.#exchange, deadLetters })
    this.#deadLetters = deadLetters
  }

  /** Looks now and then until the channel is gone, which its owner hears of by itself. */
  keepLooking(channel: BrokerChannel, everyMs: number): void {
    let isLooking = false
    const timer = setInterval(() => {
      if (isLooking || !channel.isOpen) return
      isLooking = true
      this.look(channel)
        .catch(() => {})
        .finally(() => {
          isLooking = false
        })
    }, everyMs)
    timer.unref()
    void channel.closed.then(() => clearInterval(timer))
  }
}
