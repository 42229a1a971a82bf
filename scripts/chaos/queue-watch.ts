/**
 * Knows how long the consumers' queues have been there.
 *
 * RabbitMQ 3.10 answers a declaration before it has written it down. A single node that is killed within the
 * next two seconds may come back with a queue that has no leader: it takes no publish and no consumer, for
 * ever, and with it no publish to its exchange is confirmed. In a cluster, a node that goes down while a queue is
 * deleted and declared again may never bring up its member of it: it meets the deletion in its log, fails
 * (`bad_return_from_state_function`), begins again and fails. Both are the broker's loss, and only who deletes
 * the queue by hand mends them; so a node goes down when its queues are old enough.
 *
 * Nor does it bear that a queue with at-least-once dead-lettering is deleted in the moment in which it gets its
 * leader, as it comes up: the queue's dead-letter worker fails twice, which ends the supervisor of all of them
 * (`rabbit_fifo_dlx_sup`, for good), and no other such queue can get a leader then, until the node is started
 * again: they answer 541. So nothing is deleted before the node has been up for a while.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Broker, consumerQueueOf } from '../../broker/index.ts'
import { exchange } from './scene.ts'

const oldEnoughMs = 3_000
/** By then the queues of a node that has come up have their leaders. */
const leadersMs = 3_000
const patienceMs = 15_000
const pollMs = 200

export class QueueWatch {
  readonly #broker: Broker
  /** Since when each is there, and the node with it; undefined while it is awaited. */
  readonly #since = new Map<string, number | undefined>()
  /** Undefined while the broker is away. */
  #upSince: number | undefined
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  constructor(broker: Broker) {
    this.#broker = broker
    this.#running = this.#run()
  }

  /** @returns false where the node has not been up for long enough in time. */
  async untilUp(): Promise<boolean> {
    const deadline = performance.now() + patienceMs
    while (performance.now() < deadline) {
      if (this.#upSince !== undefined && performance.now() - this.#upSince >= leadersMs) return true
      await sleep(pollMs)
    }
    return false
  }

  /** This consumer declares its queue from now on: it has started, or its queue was deleted. */
  await(consumer: string): void {
    this.#since.set(consumerQueueOf(exchange, consumer), undefined)
  }

  /** @returns false where the queues have not become old enough in time. */
  async untilOld(): Promise<boolean> {
    const deadline = performance.now() + patienceMs
    while (performance.now() < deadline) {
      const ages = [...this.#since.values()].map((since) =>
        since === undefined ? 0 : performance.now() - since,
      )
      if (ages.every((ageMs) => ageMs >= oldEnoughMs)) return true
      await sleep(pollMs)
    }
    return false
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // A node that has just come up has its queues still to bring back.
      this.#upSince = this.#broker.isConnected ? (this.#upSince ?? performance.now()) : undefined
      if (!this.#broker.isConnected) for (const queue of this.#since.keys()) this.#since.set(queue, undefined)
      for (const queue of this.#since.keys()) await this.#look(queue)
      await sleep(pollMs, undefined, { signal: this.#stop.signal }).catch(() => {})
    }
  }

  async #look(queue: string): Promise<void> {
    if (!this.#broker.isConnected) return
    const before = this.#since.get(queue)
    const isThere = await this.#isThere(queue)
    // It may have been deleted meanwhile.
    if (this.#since.get(queue) !== before) return
    if (!isThere) this.#since.set(queue, undefined)
    else if (before === undefined) this.#since.set(queue, performance.now())
  }

  async #isThere(queue: string): Promise<boolean> {
    try {
      // A channel of its own: the broker ends one that asked for a queue which is not there.
      const channel = await this.#broker.openChannel({ signal: this.#stop.signal })
      try {
        await Promise.race([
          channel.count(queue),
          channel.closed.then(() => Promise.reject(new Error('closed'))),
        ])
        return true
      } finally {
        await channel.close()
      }
    } catch {
      return false
    }
  }
}
