/**
 * The announcer: publishes what the ledger owes, in the ledger's order, and marks what is confirmed.
 *
 * An event that was sent but not marked before a crash is published again at the next start, under
 * the same id: order.placed:EC-07-000001 is one event however often it is sent. Pages follow one
 * another without waiting for their confirms, up to a bound, so that the ledger goes on selling while
 * the broker writes.
 */
import type { OrderCancelled, OrderPlaced } from '../events.ts'
import type { Ledger, OwedEvent } from './ledger.ts'

/** What sales needs of a publisher. It resolves when the event is safe. */
export interface OrderPublisher {
  publish(
    event: { readonly id: string; readonly subject: string } & (
      | { readonly type: 'order.placed'; readonly data: OrderPlaced }
      | { readonly type: 'order.cancelled'; readonly data: OrderCancelled }
    ),
  ): Promise<unknown>
}

type OwedLedger = Pick<Ledger, 'toPublish' | 'markPublished'>

const pageSize = 200
const pagesInFlightMax = 5

export class Announcer {
  readonly #ledger: OwedLedger
  readonly #publisher: OrderPublisher
  readonly #inFlight: Promise<void>[] = []
  #sent = 0
  #published = 0

  constructor({ ledger, publisher }: { ledger: OwedLedger; publisher: OrderPublisher }) {
    this.#ledger = ledger
    this.#publisher = publisher
  }

  /** Events that were confirmed and marked. */
  get published(): number {
    return this.#published
  }

  /** Sends all that is owed and not yet sent; waits only while too many pages are in flight. */
  async announce(): Promise<void> {
    for (;;) {
      const page = this.#ledger.toPublish({ after: this.#sent, limit: pageSize })
      if (page.length === 0) return
      this.#sent = page.at(-1)!.sequence
      const confirmed = this.#publish(page)
      // Its failure is thrown where it is awaited, below or in `settle`.
      confirmed.catch(() => {})
      this.#inFlight.push(confirmed)
      if (this.#inFlight.length >= pagesInFlightMax) await this.#inFlight.shift()
    }
  }

  /** Waits for all confirms. Throws the first failure once everything else has been marked. */
  async settle(): Promise<void> {
    const pages = await Promise.allSettled(this.#inFlight.splice(0))
    for (const page of pages) if (page.status === 'rejected') throw page.reason
  }

  async #publish(page: readonly OwedEvent[]): Promise<void> {
    const confirms = await Promise.allSettled(page.map((owed) => this.#publisher.publish(eventOf(owed))))
    const sequences = page.map(({ sequence }) => sequence)
    const confirmed = sequences.filter((_, index) => confirms[index]!.status === 'fulfilled')
    this.#ledger.markPublished(confirmed)
    this.#published += confirmed.length
    for (const confirm of confirms) if (confirm.status === 'rejected') throw confirm.reason
  }
}

function eventOf({ type, externalId, content }: OwedEvent): Parameters<OrderPublisher['publish']>[0] {
  const id = `${type}:${externalId}`
  if (type === 'order.cancelled') return { type, id, subject: externalId, data: { external_id: externalId } }
  return { type, id, subject: externalId, data: JSON.parse(content) as OrderPlaced }
}
