/** The promises of what removes from a history, as tests to run on each store. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { attributesOf, type Message, toMessage } from '../events/index.ts'
import type { HistoryKeeper } from './keeper.ts'
import type { HistoryReader, HistorySummary } from './reader.ts'
import type { HistoryWriter, NewEvent } from './writer.ts'

export interface KeptHistory {
  openWriter(): Promise<HistoryWriter>
  openReader(): HistoryReader
  openKeeper(): Promise<HistoryKeeper>
  /** Where a text is in what the store has on its disk, its logs included. */
  traces(text: string): Promise<readonly string[]>
}

const exchange = 'orders'
const erasing = { subject: 'EC-1', reason: 'asked for', by: 'the office' }

export function keeperContract(name: string, make: (t: TestContext) => Promise<KeptHistory>): void {
  const promise = (title: string, run: (history: KeptHistory, t: TestContext) => Promise<void>) =>
    test(`${name}: ${title}`, async (t) => run(await make(t), t))

  promise(
    'of an erased event are left position, identity, type, subject, time and sequence',
    async (history) => {
      const writer = await history.openWriter()
      const whole = [
        newEvent('1', 'EC-1'),
        newEvent('2', 'EC-2'),
        foreignEvent('3', 'EC-1'),
        newEvent('4', 'EC-1'),
      ]
      await writer.append({ events: whole, fences: [] })
      const reader = history.openReader()
      const before = await reader.read({ after: 0 })
      const [summary, sequences] = [await reader.summary(), await reader.sequences({ after: 0 })]
      const keeper = await history.openKeeper()
      assert.equal(await keeper.countErasable('EC-1'), 3)
      const startedAt = Date.now()
      const erasure = await keeper.erase(erasing)
      const { at, ...record } = erasure!
      assert.deepEqual(record, { number: 1, ...erasing, events: 3, lastPosition: 4 })
      assert.ok(at.getTime() >= startedAt && at.getTime() <= Date.now())
      assert.deepEqual(await reader.erasures({ after: 0 }), [erasure])
      assert.deepEqual(await reader.erasures({ after: 1 }), [])
      const after = await reader.read({ after: 0 })
      assert.deepEqual(
        after.map(({ erased }) => erased),
        [1, undefined, 1, 1],
      )
      for (const [index, event] of after.entries()) {
        const { position, source, id, type, subject, time, recordedAt, unidentified } = before[index]!
        assert.deepEqual(
          [event.position, event.source, event.id, event.type, event.subject, event.time],
          // A header that only calls itself a time goes with the others.
          [position, source, id, type, subject, time === 'a secret time' ? undefined : time],
        )
        assert.deepEqual([event.recordedAt, event.unidentified], [recordedAt, unidentified])
        if (event.erased === undefined) assert.deepEqual(event.message, before[index]!.message)
        else {
          assert.equal(event.data, undefined)
          assert.equal(event.message.body.length, 0)
          assert.equal(event.message.routingKey, '')
          assert.doesNotMatch(JSON.stringify(event.message.properties), /secret/)
        }
      }
      assert.deepEqual(await reader.summary(), summary)
      assert.deepEqual(await reader.sequences({ after: 0 }), sequences)
      assert.equal(await keeper.countErasable('EC-1'), 0)
      assert.equal(await keeper.erase(erasing), undefined, 'nothing is left to erase')
      await keeper.close()
      await writer.close()
      await reader.close()
    },
  )

  promise('an erased event that is published again is a duplicate, and stays erased', async (history) => {
    const writer = await history.openWriter()
    await writer.append({ events: [newEvent('1', 'EC-1')], fences: [] })
    await using keeper = await history.openKeeper()
    await keeper.erase(erasing)
    const again = await writer.append({ events: [newEvent('1', 'EC-1'), newEvent('2', 'EC-1')], fences: [] })
    assert.deepEqual(again, { head: 2, recorded: 1, duplicates: 1, conflicts: 0 })
    const reader = history.openReader()
    assert.equal((await reader.at(1))?.message.body.length, 0)
    assert.equal((await reader.at(2))?.erased, undefined, 'a new event of the subject is whole')
    await writer.close()
    await reader.close()
  })

  promise(
    'an interrupted erasure is no erasure yet, and the next of its subject finishes it',
    async (history) => {
      const writer = await history.openWriter()
      const events = Array.from({ length: 900 }, (_, index) => newEvent(`${index}`, 'EC-1'))
      await writer.append({ events, fences: [] })
      const reader = history.openReader()
      const keeper = await history.openKeeper()
      const stop = new AbortController()
      const onProgress = () => stop.abort(new Error('interrupted'))
      await assert.rejects(keeper.erase({ ...erasing, onProgress, signal: stop.signal }), /interrupted/)
      await keeper.close()
      assert.deepEqual(await reader.erasures({ after: 0 }), [])
      const next = await history.openKeeper()
      const rest = await next.countErasable('EC-1')
      assert.ok(rest > 0 && rest < 900, `${rest} are left`)
      const erasure = await next.erase(erasing)
      assert.deepEqual([erasure!.number, erasure!.events], [1, 900])
      await next.close()
      await writer.close()
      await reader.close()
    },
  )

  promise(
    'an erasure is finished when all before it are: who asks behind the last misses none',
    async (history) => {
      const writer = await history.openWriter()
      const events = Array.from({ length: 1_200 }, (_, index) => newEvent(`${index}`, `EC-${index % 2}`))
      await writer.append({ events, fences: [] })
      const reader = history.openReader()
      await using keeper = await history.openKeeper()
      const stop = new AbortController()
      const onProgress = () => stop.abort(new Error('interrupted'))
      await assert.rejects(
        keeper.erase({ ...erasing, subject: 'EC-0', onProgress, signal: stop.signal }),
        /interrupted/,
      )
      assert.equal((await keeper.erase(erasing))?.number, 2)
      const finished = await reader.erasures({ after: 0 })
      assert.deepEqual(
        finished.map(({ number, subject, events }) => [number, subject, events]),
        [
          [1, 'EC-0', 600],
          [2, 'EC-1', 600],
        ],
      )
      assert.equal(await keeper.countErasable('EC-0'), 0)
      // Each helps the other along.
      await writer.append({ events: [newEvent('a', 'EC-0'), newEvent('b', 'EC-1')], fences: [] })
      await using other = await history.openKeeper()
      await Promise.all([keeper.erase(erasing), other.erase({ ...erasing, subject: 'EC-0' })])
      assert.deepEqual(
        (await reader.erasures({ after: 2 })).map(({ number, events }) => [number, events]),
        [
          [3, 1],
          [4, 1],
        ],
      )
      await writer.close()
      await reader.close()
    },
  )

  promise('two that prune at once remember each position once', async (history) => {
    const writer = await history.openWriter()
    const events = Array.from({ length: 3_500 }, (_, index) => newEvent(`${index}`, 'EC-1'))
    await writer.append({ events, fences: [] })
    const keepers = await Promise.all([history.openKeeper(), history.openKeeper(), history.openKeeper()])
    await Promise.all(keepers.map((keeper) => keeper.prune({ keepEvents: 10 })))
    const reader = history.openReader()
    const ranges = await reader.pruned({ after: 0 })
    assert.deepEqual(
      ranges.map(({ first, last }) => [first, last]),
      [[1, 3_490]],
    )
    for (const keeper of keepers) await keeper.close()
    await writer.close()
    await reader.close()
  })

  promise('no trace of what was erased is left on the disk, beside a recorder at work', async (history) => {
    const writer = await history.openWriter()
    const keeper = await history.openKeeper()
    const reader = history.openReader()
    let number = 0
    const fill = async (count: number) => {
      const events = Array.from({ length: count }, () => {
        number += 1
        const bytes = number % 40 === 0 ? 60_000 : (number * 37) % 1_500
        return newEvent(`${number}`, `EC-${number % 3}`, bytes)
      })
      await writer.append({ events, fences: [] })
    }
    for (let batch = 0; batch < 12; batch++) await fill(1 + (batch % 4) * 60)
    assert.notDeepEqual(await history.traces('secret-of-EC-1'), [], 'it would be found')
    let isErasing = true
    const recording = (async () => {
      while (isErasing) {
        // Of another subject: what is recorded meanwhile may be whole.
        number += 1
        await writer.append({ events: [newEvent(`more ${number}`, 'EC-2')], fences: [] })
        await reader.read({ after: 0, limit: 10 })
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    await keeper.erase(erasing)
    isErasing = false
    await recording
    assert.deepEqual(await history.traces('secret-of-EC-1'), [])
    assert.notDeepEqual(await history.traces('secret-of-EC-2'), [])
    await keeper.close()
    await writer.close()
    await reader.close()
  })

  promise(
    'what is pruned is gone, its positions are remembered, and every sum stays right',
    async (history) => {
      const writer = await history.openWriter()
      const types = ['price', 'price', 'order', 'price', 'order']
      const whole = Array.from({ length: 40 }, (_, index) => ({
        ...newEvent(`${index + 1}`, 'EC-1'),
        type: types[index % types.length]!,
      }))
      for (let from = 0; from < 40; from += 7)
        await writer.append({ events: whole.slice(from, from + 7), fences: [] })
      const reader = history.openReader()
      const before: HistorySummary[] = []
      for (let upTo = 1; upTo <= 40; upTo++) before.push(await reader.summary({ upTo }))
      await using keeper = await history.openKeeper()
      const dry = await keeper.prune({ type: 'price', keepEvents: 4, dryRun: true })
      assert.deepEqual([dry.events, (await reader.pruned({ after: 0 })).length], [20, 0])
      const pruned = await keeper.prune({ type: 'price', keepEvents: 4 })
      assert.deepEqual(pruned, { events: 20, upTo: 32, heldBy: undefined })
      const ranges = await reader.pruned({ after: 0 })
      assert.deepEqual(
        ranges.slice(0, 3).map(({ first, last, reason }) => [first, last, reason]),
        [
          [1, 2, 'price behind the newest 4 events'],
          [4, 4, 'price behind the newest 4 events'],
          [6, 7, 'price behind the newest 4 events'],
        ],
      )
      // Nothing is told of a sum that ends within a range; every other one is as it was.
      for (let upTo = 1; upTo <= 40; upTo++) {
        const isWithin = ranges.some(({ first, last }) => first <= upTo && upTo < last)
        const summary = reader.summary({ upTo })
        if (isWithin) {
          // A batch that ended there has its sum.
          await summary.then(
            (found) => assert.deepEqual(found, before[upTo - 1]),
            (error) => assert.equal(error.code, 'HISTORY_PRUNED', error),
          )
        } else assert.deepEqual(await summary, before[upTo - 1], `up to ${upTo}`)
      }
      await keeper.prune({ keepEvents: 12 })
      const [all, ...rest] = await reader.pruned({ after: 0 })
      assert.deepEqual([all?.first, all?.last, rest.length], [1, 22, 4], 'what is side by side is one range')
      assert.deepEqual(await reader.bounds(), { first: 23, head: 40 })
      assert.deepEqual(await reader.summary(), before[39])
      await assert.rejects(reader.read({ after: 0 }), {
        code: 'HISTORY_PRUNED',
        message: /positions 1 to 22 /,
      })
      await assert.rejects(reader.identities({ after: 3 }), { code: 'HISTORY_PRUNED' })
      await assert.rejects(reader.latest({ after: 0, upTo: 40 }), { code: 'HISTORY_PRUNED' })
      const first = await reader.read({ after: 22 })
      const latest = await reader.latest({ after: 22, upTo: 40 })
      assert.ok(first.length > 0 && latest.length === first.length, 'it ends before the next range too')
      const page = await reader.read({ after: rest[0]!.last })
      assert.deepEqual(page[0]?.position, rest[0]!.last + 1)
      assert.ok(
        page.at(-1)!.position < 40 &&
          page.every(({ position }, index) => position === page[0]!.position + index),
      )
      await writer.append({ events: [newEvent('new', 'EC-1')], fences: [] })
      assert.deepEqual(await reader.bounds(), { first: 23, head: 41 })
      await writer.close()
      await reader.close()
    },
  )

  promise(
    'retention spares what a consumer needs, unless forced, and one that is gone can be forgotten',
    async (history) => {
      const writer = await history.openWriter()
      const events = Array.from({ length: 10 }, (_, index) => newEvent(`${index + 1}`, 'EC-1', 1_000))
      await writer.append({
        events,
        fences: [],
        cursors: [
          { consumer: 'production', cursor: 3 },
          { consumer: 'old', cursor: 1 },
        ],
      })
      const reader = history.openReader()
      await using keeper = await history.openKeeper()
      assert.deepEqual(await keeper.prune({ keepEvents: 2, dryRun: true }), {
        events: 1,
        upTo: 1,
        heldBy: 'old',
      })
      assert.deepEqual(
        [await keeper.forgetConsumer('old'), await keeper.forgetConsumer('old')],
        [true, false],
      )
      assert.deepEqual(await keeper.prune({ keepEvents: 2 }), { events: 3, upTo: 3, heldBy: 'production' })
      const before = await keeper.prune({ keepEvents: 2, heardWithinMs: 0, dryRun: true })
      assert.ok(before.events === 5 || before.heldBy === 'production', 'nobody was heard of within no time')
      assert.deepEqual(await keeper.prune({ keepEvents: 2, force: true }), {
        events: 5,
        upTo: 8,
        heldBy: undefined,
      })
      assert.deepEqual(
        await keeper.prune({ keepBytes: 0, force: true }),
        { events: 1, upTo: 9, heldBy: undefined },
        'the newest stays',
      )
      assert.deepEqual(await reader.bounds(), { first: 10, head: 10 })
      await assert.rejects(keeper.prune({ type: 'order.placed' }), TypeError)
      assert.equal((await keeper.prune({ olderThanMs: 60_000, force: true })).events, 0)
      await writer.close()
      await reader.close()
    },
  )
}

/** As our publisher makes it, with a header of the application's own. */
function newEvent(id: string, subject: string, bytes = 10): NewEvent {
  const data = { text: `secret-of-${subject} `.repeat(Math.ceil(bytes / 16)) }
  const made = toMessage({ type: 'order.placed', id, subject, data }, { exchange, source: '/sales' })
  const headers = {
    ...made.properties.headers,
    note: `secret-of-${subject}`,
    'ce-sequence': `0lx3f9k2ab7qz.${id.replace(/\D/g, '').padStart(16, '0')}`,
  }
  const message = { ...made, routingKey: 'secret', properties: { ...made.properties, headers } }
  return { ...attributesOf(message), message }
}

/** Of a publisher that knows nothing of us. */
function foreignEvent(id: string, subject: string): NewEvent {
  const message: Message = {
    exchange,
    routingKey: `secret.${subject}`,
    properties: { messageId: id, userId: 'secret', headers: { 'ce-time': 'a secret time' } },
    body: Buffer.from([0xff, 1, 2]),
  }
  return { id, source: 'foreign', type: 'order.changed', subject, message }
}
