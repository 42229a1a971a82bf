/**
 * A walk through the history, page by page: the pages are taken from larger ones, since a request costs as
 * much as hundreds of events, and while these are worked on the next are on their way.
 *
 * What was fetched ahead is never taken for the end of the history: where it does not fill a page, what
 * follows is asked for then.
 */
import type { Page } from '../reader.ts'
import type { RowEvent } from '../stored-event.ts'

export interface Fetched {
  readonly events: readonly RowEvent[]
  /** Nothing followed when it was fetched. */
  readonly isEnd: boolean
}

/** On its way. */
interface Coming {
  readonly after: number
  readonly fetched: Promise<Fetched | undefined>
}

const aheadEvents = 2_000
/** As of any reader's page. */
const pageBytesMax = 16 * 1024 * 1024

export class ReadAhead {
  readonly #fetch: (page: Required<Page>) => Promise<Fetched>
  /** Where the walk goes on. */
  #after: number | undefined
  #events: readonly RowEvent[] = []
  #taken = 0
  #coming: Coming[] = []

  constructor(fetch: (page: Required<Page>) => Promise<Fetched>) {
    this.#fetch = fetch
  }

  /** The first page of a walk is fetched as it is: it may be the only one. */
  async read(page: Required<Page>): Promise<RowEvent[]> {
    const isWalk = this.#after === page.after
    if (!isWalk) this.#forget()
    const events = isWalk ? await this.#next(page) : [...(await this.#fetch(page)).events]
    this.#after = events.at(-1)?.position ?? page.after
    return events
  }

  async #next({ after, upTo, limit }: Required<Page>): Promise<RowEvent[]> {
    const page: RowEvent[] = []
    let bytes = 0
    for (;;) {
      for (let event = this.#events[this.#taken]; event !== undefined; event = this.#events[this.#taken]) {
        if (page.length === limit || bytes >= pageBytesMax || event.position > upTo) return page
        page.push(event)
        bytes += event.bodyLength
        this.#taken += 1
      }
      const last = page.at(-1)?.position ?? after
      if (page.length === limit || bytes >= pageBytesMax || last >= upTo) return page
      try {
        await this.#refill({ after: last, upTo, limit: limit - page.length })
      } catch (error) {
        // What was taken is given out; the next page meets the error, if it is still there.
        if (page.length === 0) throw error
        return page
      }
      if (this.#events.length === 0) return page
    }
  }

  async #refill({ after, upTo, limit }: Required<Page>): Promise<void> {
    const coming = this.#coming.shift()
    const ahead = coming?.after === after ? await coming.fetched : undefined
    const fetched = ahead ?? (await this.#fetch({ after, upTo, limit: Math.max(limit, aheadEvents) }))
    const { events, isEnd } = fetched
    this.#events = events
    this.#taken = 0
    if (events.length === 0 || isEnd) this.#coming = []
    // Where large bodies end an answer early, it is not known before where the next one begins.
    else this.#askAhead({ after: events.at(-1)!.position, upTo }, events.length < aheadEvents ? 1 : 2)
  }

  /** Positions have no holes: where a request begins is known before the one before it is answered. */
  #askAhead({ after, upTo }: { after: number; upTo: number }, requests: number): void {
    if (this.#coming[0]?.after !== after) this.#coming = []
    for (let number = this.#coming.length; number < requests; number++) {
      const from = after + number * aheadEvents
      if (from >= upTo) return
      // Should it fail, it is asked for again when it is needed, and says why.
      const fetched = this.#fetch({ after: from, upTo, limit: aheadEvents }).catch(() => undefined)
      this.#coming.push({ after: from, fetched })
    }
  }

  #forget(): void {
    this.#events = []
    this.#taken = 0
    this.#coming = []
  }
}
