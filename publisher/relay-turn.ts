/**
 * A relay's turn: from the moment when it has the outbox to itself until it stops or loses it.
 *
 * It reads pages of rows in the order of their numbers and sends them without waiting for their confirms, up to
 * a number and a size in flight. Pages are deleted in their order, once each row is confirmed: what is left
 * of an outbox is always its end. An event that the broker did not keep stops the sending; once all that was
 * sent is settled, it begins again at the first row that is not deleted, so that nothing overtakes it but
 * what was in flight with it.
 */
import { BrokerError } from '../broker/index.ts'
import type { Message } from '../events/index.ts'
import type { Dispatcher } from './dispatcher.ts'
import { PublishError } from './errors.ts'
import { toOutgoing } from './outbox-message.ts'
import type { OutboxRow, OutboxSession } from './outbox-rows.ts'
import { Bell, pause, settledWithin, unlessAborted } from './waiting.ts'

export interface TurnOptions {
  readonly session: OutboxSession
  readonly dispatcher: Dispatcher
  readonly exchange: string
  readonly inFlightMax: number
  readonly signal: AbortSignal
  /** Told how far the outbox is published and deleted; and by how many rows that is more. */
  readonly onRemoved: (upTo: number, count: number) => void
  /** Told of each failure that is tried again in `retryMs`: of the database, or of an event that was not kept. */
  readonly onTrouble: (error: Error, options: { retryMs: number; sequence?: number }) => void
}

interface Page {
  last: number
  unconfirmed: number
}

/** About what is in memory: this, another page, and one body. */
const bytesInFlightMax = 16 * 1024 * 1024
const pageRows = 500
const pageBytes = 8 * 1024 * 1024
/** A deletion is a commit of its own: at least so many rows each, or so long after the first of them. */
const removeRows = 500
const removeMs = 20
const retryMsMin = 100
const retryMsMax = 5_000
/** How long the confirms may take when it is told to stop. */
const stopMs = 2_000

export class RelayTurn {
  readonly #options: TurnOptions
  readonly #bell = new Bell()
  #pages: Page[] = []
  #sent = 0
  #confirmed = 0
  #removed = 0
  /** When the next deletion is due; undefined while there is nothing to delete. */
  #removeAt: number | undefined
  #bytesInFlight = 0
  #failed: { readonly row: OutboxRow; readonly error: Error } | undefined
  #retryMs = retryMsMin

  constructor(options: TurnOptions) {
    this.#options = options
  }

  /** Resolves once it was told to stop. Rejects with what the database throws, or what ends the relay. */
  async run(): Promise<void> {
    const { session, dispatcher, signal } = this.#options
    const stop = () => {
      this.#bell.ring()
      dispatcher.wake()
    }
    signal.addEventListener('abort', stop)
    try {
      await session.onCommit(() => this.#bell.ring())
      const { epoch, sequence, first } = await session.head()
      this.#removed = (first ?? sequence + 1) - 1
      this.#sent = this.#removed
      this.#confirmed = this.#removed
      this.#options.onRemoved(this.#removed, 0)
      while (!signal.aborted) await this.#step(epoch)
      if (dispatcher.broker.isConnected) await settledWithin(dispatcher.idle(), stopMs)
      await this.#removeIfDue({ isLast: true })
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  async #step(epoch: string): Promise<void> {
    const { session, dispatcher } = this.#options
    if (dispatcher.failure !== undefined) throw dispatcher.failure
    if (this.#failed !== undefined) await this.#startOver(this.#failed)
    await this.#removeIfDue()
    if (this.#bytesInFlight >= bytesInFlightMax) return await this.#bell.wait(removeMs)
    const rows = await session.page({ after: this.#sent, limit: pageRows, bytesMax: pageBytes })
    if (rows.length > 0) await this.#send(rows, epoch)
    else await this.#bell.wait(this.#removeAt === undefined ? session.pollMs : removeMs)
  }

  async #send(rows: readonly OutboxRow[], epoch: string): Promise<void> {
    const { dispatcher, exchange, inFlightMax, signal } = this.#options
    const page = { last: rows.at(-1)!.sequence, unconfirmed: rows.length }
    this.#pages.push(page)
    for (const [index, row] of rows.entries()) {
      if (dispatcher.pending >= inFlightMax) await dispatcher.room()
      const isStopped = this.#failed !== undefined || signal.aborted
      const message = isStopped ? undefined : this.#outgoing(row, { exchange, epoch })
      if (message === undefined) return this.#endPage(page, rows.length - index)
      const bytes = row.body.length
      this.#bytesInFlight += bytes
      this.#sent = row.sequence
      dispatcher.send(message).then(
        () => this.#onConfirmed(page, bytes),
        (error: Error) => {
          this.#bytesInFlight -= bytes
          this.#fail(row, error)
        },
      )
    }
  }

  /** Undefined for a row that somebody has made illegible. */
  #outgoing(row: OutboxRow, options: { exchange: string; epoch: string }): Message | undefined {
    try {
      return toOutgoing(row, options)
    } catch (error) {
      this.#fail(row, error as Error)
      return undefined
    }
  }

  #fail(row: OutboxRow, error: Error): void {
    this.#failed ??= { row, error }
    this.#bell.ring()
  }

  #onConfirmed(page: Page, bytes: number): void {
    this.#bytesInFlight -= bytes
    this.#settlePage(page, 1)
  }

  /** It ends before what was not sent: what was, can be deleted once it is confirmed. */
  #endPage(page: Page, unsent: number): void {
    page.last = this.#sent
    this.#settlePage(page, unsent)
  }

  #settlePage(page: Page, settled: number): void {
    page.unconfirmed -= settled
    if (page.unconfirmed > 0) return
    while (this.#pages[0]?.unconfirmed === 0) this.#confirmed = this.#pages.shift()!.last
    if (this.#confirmed > this.#removed) this.#removeAt ??= performance.now() + removeMs
    this.#retryMs = retryMsMin
    this.#bell.ring()
  }

  async #removeIfDue({ isLast = false } = {}): Promise<void> {
    const { session, onRemoved, onTrouble } = this.#options
    const upTo = this.#confirmed
    const count = upTo - this.#removed
    if (this.#removeAt === undefined) return
    if (!isLast && count < removeRows && performance.now() < this.#removeAt) return
    try {
      await session.remove({ upTo })
      this.#removed = upTo
      this.#removeAt = this.#confirmed > upTo ? performance.now() + removeMs : undefined
      onRemoved(upTo, count)
    } catch (error) {
      // It can wait: they are published. Where the database is away, reading will tell.
      onTrouble(error as Error, { retryMs: this.#retryMs })
      this.#removeAt = performance.now() + this.#retryMs
      this.#retryMs = Math.min(this.#retryMs * 2, retryMsMax)
    }
  }

  /** After an event that was not kept: from the first row that is not confirmed, once all is settled. */
  async #startOver({ row, error }: { row: OutboxRow; error: Error }): Promise<void> {
    const { dispatcher, exchange, signal, onTrouble } = this.#options
    if (!isWorthAnother(error)) throw error instanceof BrokerError ? error : blocked(row, { exchange, error })
    const retryMs = this.#retryMs
    onTrouble(error, { retryMs, sequence: row.sequence })
    await unlessAborted(dispatcher.idle(), signal)
    this.#failed = undefined
    this.#pages = []
    this.#sent = this.#confirmed
    await pause(retryMs, signal)
    this.#retryMs = Math.min(retryMs * 2, retryMsMax)
  }
}

/** The broker could not keep it now, or nobody was there to take it. */
function isWorthAnother(error: Error): boolean {
  return error instanceof PublishError && ['PUBLISH_NACKED', 'PUBLISH_UNROUTABLE'].includes(error.code)
}

function blocked(row: OutboxRow, { exchange, error }: { exchange: string; error: Error }): PublishError {
  const where = `exchange = '${exchange}' and sequence = ${row.sequence}`
  return new PublishError(
    'PUBLISH_OUTBOX_BLOCKED',
    `Event ${row.id} can never be published: ${error.message}. Mend or delete its row (backstory_outbox, ${where}), then start the relay again`,
    { cause: error, eventId: row.id },
  )
}
