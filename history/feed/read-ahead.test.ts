import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Page } from '../reader.ts'
import type { RowEvent } from '../stored-event.ts'
import { ReadAhead } from './read-ahead.ts'

/** A history of events without anything, which a feed gives out in parts. */
class Source {
  head = 0
  asked = 0
  /** Events of one answer, at most. */
  answerMax = 700
  isAway = false

  readonly fetch = async ({ after, upTo, limit }: Required<Page>) => {
    this.asked += 1
    if (this.isAway) throw new Error('away')
    const last = Math.min(upTo, this.head, after + Math.min(limit, this.answerMax))
    return { events: eventsFrom(after, last), isEnd: last >= Math.min(upTo, this.head) }
  }
}

function eventsFrom(after: number, last: number): RowEvent[] {
  const length = Math.max(0, last - after)
  return Array.from({ length }, (_, index) => ({ position: after + 1 + index, bodyLength: 400 }) as RowEvent)
}

test('whatever is read and recorded in between, a page is what the history has at that moment', async () => {
  const read = fc.record({
    after: fc.oneof({ weight: 4, arbitrary: fc.constant('on' as const) }, fc.nat({ max: 9_000 })),
    upTo: fc.option(fc.nat({ max: 9_000 }), { nil: Number.MAX_SAFE_INTEGER }),
    limit: fc.oneof(fc.integer({ min: 1, max: 700 }), fc.integer({ min: 1, max: 10 })),
    recorded: fc.oneof(fc.constant(0), fc.nat({ max: 900 })),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: 7_000 }),
      fc.boolean(),
      fc.array(read, { maxLength: 30 }),
      async (head, isLarge, reads) => {
        const source = new Source()
        source.head = head
        if (!isLarge) source.answerMax = Number.POSITIVE_INFINITY
        const ahead = new ReadAhead(source.fetch)
        let last = 0
        for (const { after: from, upTo, limit, recorded } of reads) {
          source.head += recorded
          const after = from === 'on' ? last : from
          const page = await ahead.read({ after, upTo, limit })
          const expected = eventsFrom(after, Math.min(after + limit, upTo, source.head))
          assert.deepEqual(
            page.map(({ position }) => position),
            expected.map(({ position }) => position),
          )
          last = page.at(-1)?.position ?? after
        }
      },
    ),
    { numRuns: 200 },
  )
})

test('a walk in small pages asks seldom, and begins with no more than is asked for', async () => {
  const source = new Source()
  source.head = 10_000
  const ahead = new ReadAhead(source.fetch)
  let after = (await ahead.read({ after: 0, upTo: 10_000, limit: 10 })).at(-1)!.position
  assert.equal(source.asked, 1)
  while (after < 10_000) after = (await ahead.read({ after, upTo: 10_000, limit: 10 })).at(-1)!.position
  assert.ok(source.asked < 20, `${source.asked} requests for 1,000 pages`)
})

test('what fails ahead of time is told when it is needed, and what was there is given out before', async () => {
  const source = new Source()
  source.head = 2_000
  const ahead = new ReadAhead(source.fetch)
  const all = { upTo: 2_000, limit: 400 }
  await ahead.read({ after: 0, ...all })
  await ahead.read({ after: 400, ...all })
  source.isAway = true
  const positions: number[] = []
  const read = async () => {
    const page = await ahead.read({ after: positions.at(-1) ?? 800, ...all })
    positions.push(...page.map(({ position }) => position))
  }
  await assert.rejects(async () => {
    for (;;) await read()
  }, /away/)
  await assert.rejects(read, /away/)
  source.isAway = false
  while (positions.at(-1) !== 2_000) await read()
  assert.deepEqual(
    positions,
    Array.from({ length: 1_200 }, (_, index) => 801 + index),
  )
})
