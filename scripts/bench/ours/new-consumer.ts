/**
 * A consumer that nobody has seen before, from the call to the moment at which it has caught up: queue,
 * binding, fence, replay of the whole history, live. The history's recorder runs in another process.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Broker, connectBroker, consumerQueueOf, deadQueueOf } from '../../../broker/index.ts'
import { type ConsumerDefinition, type StoreDatabase, startConsumer } from '../../../consumers/index.ts'
import type { Catalog } from '../../../events/index.ts'
import { requireCount } from '../part.ts'

export interface ConsumerSetup {
  readonly url: string
  readonly exchange: string
  /** Path of the history. */
  readonly history: string
  readonly events: number
  readonly folder: string
  /** Events a transaction at most; the consumer's default where undefined. */
  readonly replayBatch?: number
  /** URL of a PostgreSQL database. Default: a SQLite file. */
  readonly store?: string
}

export class NewConsumers {
  readonly #setup: ConsumerSetup
  readonly #broker: Broker

  private constructor(setup: ConsumerSetup, broker: Broker) {
    this.#setup = setup
    this.#broker = broker
  }

  static async open(setup: ConsumerSetup): Promise<NewConsumers> {
    const broker = connectBroker({ url: setup.url })
    await broker.connected()
    return new NewConsumers(setup, broker)
  }

  /** @returns How long it took to catch up, in milliseconds. */
  async catchUp<Events extends Catalog, Tx, Database extends StoreDatabase>(
    definition: ConsumerDefinition<Events, Tx, Database>,
  ): Promise<number> {
    const { history, events, folder, replayBatch } = this.#setup
    const store = this.#setup.store ?? join(folder, `${definition.name}.db`)
    const started = performance.now()
    // A broker of one node knows a binding when it says so, and nobody publishes: there is nothing to settle.
    const options = { broker: this.#broker, history, store, replayBatch, settleMs: 0 }
    const consumer = await startConsumer(definition, options)
    await consumer.caughtUp()
    const ms = performance.now() - started
    const { level, applied } = await consumer.certificate()
    await consumer.close()
    requireCount('events applied and certified', { found: level ? applied : 0, expected: events })
    await this.#remove(definition, store)
    return ms
  }

  async close(): Promise<void> {
    await this.#broker.close()
  }

  async #remove({ exchange, name }: { exchange: string; name: string }, store: string): Promise<void> {
    const queue = consumerQueueOf(exchange, name)
    const channel = await this.#broker.openChannel()
    await channel.raw.deleteQueue(queue)
    await channel.raw.deleteQueue(deadQueueOf(queue))
    await channel.close()
    for (const suffix of ['', '-wal', '-shm', `-${name}-consumer`]) await rm(store + suffix, { force: true })
  }
}
