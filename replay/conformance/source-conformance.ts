/** What every source must hold. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ReplayError } from '../errors.ts'
import type { ReplayEvent } from '../replay-event.ts'
import type { Source } from '../source.ts'
import { assertNoSecret } from './secrets.ts'

export interface SourceCase {
  /** Another source each time, of the same events, that is not open: as another process would have it. */
  create(): Source | Promise<Source>
  /** Events in it: 10 at least, in three pages at least, or paging is not tested. */
  readonly events: number
  /** What it was given that nobody may see. */
  readonly secrets?: readonly string[]
  /** How often it has been to where it reads: requests, queries. Without it back-pressure is not tested. */
  reads?(): number
  /** A source of a place that is not there. */
  createAway?(): Source | Promise<Source>
}

/** Tokens that a source is resumed behind, at most: each is a reading of its own. */
const tokensMax = 50
const pageEventsMax = 10_000
const settleMs = 100
const timeout = 60_000

/**
 * @param open - Makes what a test works on; called once for each test. What it opens it closes by `t.after`.
 */
export function sourceConformance(
  name: string,
  open: (t: TestContext) => SourceCase | Promise<SourceCase>,
): void {
  /** A test of a case, with sources that are closed after it. */
  const promise = (title: string, check: (given: Given) => Promise<void>) =>
    test(title, { timeout }, async (t) => {
      const source = await open(t)
      const opened: Source[] = []
      t.after(async () => {
        for (const one of opened) await one.close()
      })
      await check({
        t,
        source,
        async openOne() {
          const one = await source.create()
          opened.push(one)
          await one.open()
          return one
        },
      })
    })

  describe(`source ${name}`, () => {
    promise('gives all of its events, each with its place, token and text', async ({ source, openOne }) => {
      const events = await readAll(await openOne())
      assert.equal(events.length, source.events)
      for (const { place, token, text } of events)
        assert.ok([place, token, text].every((one) => typeof one === 'string' && one !== ''))
      assert.equal(new Set(events.map(({ token }) => token)).size, events.length, 'two events have one token')
      assertRising(events)
    })

    promise('events are JSON, or say that they are not', async ({ openOne }) => {
      for (const event of await readAll(await openOne())) {
        try {
          assert.deepEqual(event.json, JSON.parse(event.text))
          assert.equal(typeof event.attributes, 'object')
        } catch (error) {
          if (!(error instanceof SyntaxError || error instanceof ReplayError)) throw error
          assert.throws(() => event.json, { code: 'REPLAY_EVENT_UNREADABLE' })
        }
      }
    })

    promise('gives the same events in the same order each time', async ({ openOne }) => {
      assert.deepEqual(shown(await readAll(await openOne())), shown(await readAll(await openOne())))
    })

    promise('goes on behind any of its tokens, in another process too', async ({ openOne }) => {
      const events = await readAll(await openOne())
      const step = Math.max(1, Math.floor(events.length / tokensMax))
      for (let at = 0; at < events.length; at += step) {
        const rest = await readAll(await openOne(), { after: events[at]!.token, events: 3 })
        assert.deepEqual(
          shown(rest),
          shown(events.slice(at + 1, at + 1 + rest.length)),
          `behind event ${at + 1}`,
        )
        assert.equal(rest.length, Math.min(3, events.length - at - 1), `behind event ${at + 1}`)
      }
      const half = Math.floor(events.length / 2)
      const rest = await readAll(await openOne(), { after: events[half - 1]!.token })
      assert.deepEqual(shown(rest), shown(events.slice(half)))
    })

    promise('refuses a token that is none of its own', async ({ openOne }) => {
      const source = await openOne()
      await assert.rejects(
        readAll(source, { after: 'no token of this source' }),
        isReplayError('REPLAY_CHECKPOINT_FOREIGN'),
      )
    })

    promise(
      'pages are of some thousand events at most, and tell the bytes that were read',
      async ({ openOne }) => {
        let before = 0
        for await (const { events, bytes } of (await openOne()).read(whole())) {
          assert.ok(events.length <= pageEventsMax, `${events.length} events in a page`)
          assert.ok(bytes >= before, `${bytes} bytes behind ${before}`)
          before = bytes
        }
      },
    )

    promise('the next page is not read before it is asked for', async ({ t, source, openOne }) => {
      if (source.reads === undefined) {
        t.skip('the case does not tell its reads')
        return
      }
      const pages = (await openOne()).read(whole())[Symbol.asyncIterator]()
      try {
        await pages.next()
        const before = source.reads()
        // It is for something that must not happen: nothing could be waited for.
        await sleep(settleMs)
        assert.equal(source.reads(), before)
        await pages.next()
        assert.ok(source.reads() > before, 'all of it is one page: give more events')
      } finally {
        await pages.return?.()
      }
    })

    promise('the signal ends the reading, without an error', async ({ openOne }) => {
      const stop = new AbortController()
      let pages = 0
      for await (const _ of (await openOne()).read({ after: undefined, signal: stop.signal })) {
        pages += 1
        stop.abort()
      }
      assert.ok(pages <= 2, `${pages} pages`)
    })

    promise('a reading may be left, and closing it twice is closing it once', async ({ openOne }) => {
      const source = await openOne()
      for await (const _ of source.read(whole())) break
      await source.close()
      await source.close()
    })

    promise('one that was never opened can be closed', async ({ source }) => {
      await (await source.create()).close()
    })

    promise('says how many events there are, where it says so, and shows no secret', async ({ source }) => {
      const one = await source.create()
      assert.ok(one.name !== '')
      assertNoSecret(one.name, source.secrets ?? [], 'its name')
      const { events } = await one.open()
      if (events !== undefined) assert.equal(events, source.events)
      for (const { place, token } of await readAll(one))
        assertNoSecret({ place, token }, source.secrets ?? [], 'a place or token')
      await one.close()
    })

    promise('one of a place that is not there says so, and shows no secret', async ({ t, source }) => {
      if (source.createAway === undefined) {
        t.skip('the case has none')
        return
      }
      const away = await source.createAway()
      await assert.rejects(away.open(), (error: Error) => {
        assertNoSecret(error, source.secrets ?? [], 'its error')
        return isReplayError('REPLAY_SOURCE_UNAVAILABLE')(error)
      })
      await away.close()
    })
  })
}

interface Given {
  readonly t: TestContext
  readonly source: SourceCase
  openOne(): Promise<Source>
}

function whole() {
  return { after: undefined, signal: new AbortController().signal }
}

/** @param options.events - Ends the reading once there are so many. */
async function readAll(
  source: Source,
  { after, events: max = Number.POSITIVE_INFINITY }: { after?: string; events?: number } = {},
): Promise<ReplayEvent[]> {
  const read: ReplayEvent[] = []
  for await (const { events } of source.read({ ...whole(), after })) {
    read.push(...events)
    if (read.length >= max) break
  }
  return read.slice(0, max)
}

function assertRising(events: readonly ReplayEvent[]): void {
  let before = 0
  for (const { position } of events) {
    assert.ok(Number.isSafeInteger(position) && position > before, `position ${position} behind ${before}`)
    before = position
  }
}

function shown(events: readonly ReplayEvent[]) {
  return events.map(({ position, place, token, text }) => ({ position, place, token, text }))
}

/** Told by its code: it may be of another copy of the package. */
function isReplayError(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.equal((error as { code?: unknown }).code, code, String(error))
    return true
  }
}
