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

const aheadEvents = 2_000
/** As of any reader's page. */
const pageBytesMax = 16 * 1024 * 1024

export class ReadAhead {
  readonly #fetch: (page: Required<Page>) => Promise<Fetched>
  /** Where the walk goes on. */
  #after: number | undefined
  #events: readonly RowEvent[] = []
  #taken = 0
  #coming: Promise<Fetched | undefined> | undefined

  constructor(fetch: (page: Required<Page>) => Promise<Fetched>) {
    this.#fetch = fetch
  }

  /** The first page of a walk is fetched as it is: it may be the only one. */
  async read(page: Required<Page>): Promise<RowEvent[]> {
    const isWalk = this.#after === page.after
    if (!isWalk) this.#hold([])
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
    let fetched = await this.#coming
    if (fetched === undefined || fetched.events.length === 0) {
      fetched = await this.#fetch({ after, upTo, limit: Math.max(limit, aheadEvents) })
    }
    this.#hold(fetched.events)
    const last = fetched.events.at(-1)
    if (last === undefined || fetched.isEnd) return
    // Should it fail, it is asked for again when it is needed, and says why.
    this.#coming = this.#fetch({ after: last.position, upTo, limit: aheadEvents }).catch(() => undefined)
  }

  #hold(events: readonly RowEvent[]): void {
    this.#events = events
    this.#taken = 0
    this.#coming = undefined
  }
}
