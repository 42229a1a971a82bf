/** The promises of every history store, as tests to run on each: a reader and a writer of one history. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { attributesOf, Checksum, type HeaderValue, type Message, toMessage } from '../events/index.ts'
import { auditHistory } from './audit/history-audit.ts'
import { type EventFilter, matchesFilter } from './event-filter.ts'
import { assertPatternsFind, eventsOfAllKinds } from './pattern.contract.ts'
import type { HistoryReader, Page, SelectPage } from './reader.ts'
import type { RecordedEvent } from './stored-event.ts'
import type { HistoryWriter, NewEvent } from './writer.ts'

export interface HistoryUnderTest {
  /** Opens the writer; rejects with `HISTORY_LOCKED` while another is open. */
  openWriter(): Promise<HistoryWriter>
  openReader(): HistoryReader
  /** Removes the event at a position, and says so to nobody. */
  removeByHand(position: number): Promise<void>
}

const exchange = 'orders'

export function historyContract(name: string, make: (t: TestContext) => Promise<HistoryUnderTest>): void {
  const promise = (title: string, run: (history: HistoryUnderTest, t: TestContext) => Promise<void>) =>
    test(`${name}: ${title}`, async (t) => run(await make(t), t))

  promise('positions are dense, in the order of the events, over batches and writers', async (history) => {
    const first = await history.openWriter()
    assert.deepEqual(await first.append(batch(['a', 'b'])), {
      head: 2,
      recorded: 2,
      duplicates: 0,
      conflicts: 0,
    })
    await first.close()
    const second = await history.openWriter()
    assert.equal(await second.head(), 2)
    assert.deepEqual(await second.append(batch(['b', 'c', 'c', 'd'])), {
      head: 4,
      recorded: 2,
      duplicates: 2,
      conflicts: 0,
    })
    const reader = history.openReader()
    const events = await reader.read({ after: 0 })
    assert.deepEqual(
      events.map(({ position, id }) => [position, id]),
      [
        [1, 'a'],
        [2, 'b'],
        [3, 'c'],
        [4, 'd'],
      ],
    )
    await second.close()
    await reader.close()
  })

  promise('what a pattern finds is what it matches of all events', async (history) => {
    const writer = await history.openWriter()
    await writer.append({ events: eventsOfAllKinds(90), fences: [] })
    const reader = history.openReader()
    await assertPatternsFind(reader, { runs: 150 })
    await writer.close()
    await reader.close()
  })

  promise('one id in two sources is two events', async (history) => {
    const writer = await history.openWriter()
    await writer.append({
      events: [newEvent('1', { source: '/a' }), newEvent('1', { source: '/b' })],
      fences: [],
    })
    const reader = history.openReader()
    assert.deepEqual(
      await reader.positionsOf([
        { source: '/b', id: '1' },
        { source: '/c', id: '1' },
        { source: '/a', id: '1' },
      ]),
      [2, undefined, 1],
    )
    assert.equal((await reader.find({ source: '/b', id: '1' }))?.position, 2)
    assert.equal(await reader.find({ source: '/c', id: '1' }), undefined)
    await writer.close()
    await reader.close()
  })

  promise('an id that is used again for another body is no duplicate: nothing is lost', async (history) => {
    const writer = await history.openWriter()
    const other = newEvent('1')
    const reused = { ...other, message: { ...other.message, body: Buffer.from('{"another":1}') } }
    const appended = await writer.append({ events: [other, reused, other, reused], fences: [] })
    assert.deepEqual(appended, { head: 2, recorded: 2, duplicates: 2, conflicts: 1 })
    const reader = history.openReader()
    const [first, second] = await reader.read({ after: 0 })
    assert.deepEqual([first!.id, first!.unidentified, second!.unidentified], ['1', false, true])
    assert.deepEqual(second!.message, reused.message)
    await writer.close()
    await reader.close()
  })

  promise('messages without id are events each, with an identity of their own', async (history) => {
    const writer = await history.openWriter()
    const anonymous = { ...newEvent('x'), id: undefined }
    await writer.append({ events: [anonymous, anonymous], fences: [] })
    const reader = history.openReader()
    const [one, two] = await reader.identities({ after: 0 })
    assert.equal(one!.unidentified && two!.unidentified, true)
    assert.notEqual(one!.id, two!.id)
    assert.equal((await reader.summary()).unidentified, 2)
    await writer.close()
    await reader.close()
  })

  promise(
    'a note is kept with its batch, the newest of its name, and read by whoever is next',
    async (history) => {
      const first = await history.openWriter()
      assert.equal(await first.note('a'), undefined)
      await first.append({ ...batch(['1']), notes: { a: 'one', b: 'ключ 😀' } })
      await first.append({ events: [], fences: [], notes: { a: 'two' } })
      assert.equal(await first.note('a'), 'two')
      await first.close()
      const second = await history.openWriter()
      const reader = history.openReader()
      for (const side of [second, reader]) {
        assert.equal(await side.note('a'), 'two')
        assert.equal(await side.note('b'), 'ключ 😀')
        assert.equal(await side.note('c'), undefined)
      }
      assert.equal(await second.head(), 1)
      await second.close()
      await reader.close()
    },
  )

  promise(
    'a fence is kept with the head that its batch makes, and the first time counts',
    async (history) => {
      const writer = await history.openWriter()
      const reader = history.openReader()
      await writer.append({ ...batch(['a', 'b']), fences: ['f'] })
      await writer.append({ ...batch(['c']), fences: ['f', 'g'] })
      assert.equal(await reader.fence('f'), 2)
      assert.equal(await reader.fence('g'), 3)
      assert.equal(await reader.fence('h'), undefined)
      await writer.close()
      await reader.close()
    },
  )

  promise('of each consumer the cursor is known that it told last', async (history) => {
    const writer = await history.openWriter()
    const reader = history.openReader()
    assert.deepEqual(await reader.consumers(), [])
    const startedAt = Date.now()
    const told = (consumer: string, cursor: number) => ({ consumer, cursor })
    await writer.append({ ...batch(['a', 'b']), cursors: [told('shipping', 1), told('production', 0)] })
    await writer.append({ events: [], fences: [], cursors: [told('shipping', 2), told('shipping', 1)] })
    const known = await reader.consumers()
    assert.deepEqual(
      known.map(({ name, cursor }) => [name, cursor]),
      [
        ['production', 0],
        ['shipping', 1],
      ],
    )
    for (const { toldAt } of known) assert.ok(toldAt.getTime() >= startedAt && toldAt.getTime() <= Date.now())
    await writer.close()
    await reader.close()
  })

  promise('count and checksum up to any position are those of the events up to it', async (history) => {
    const writer = await history.openWriter()
    const reader = history.openReader()
    assert.deepEqual(await reader.summary(), {
      position: 0,
      count: 0,
      checksum: '0'.repeat(32),
      unidentified: 0,
    })
    await writer.append(batch(['a', 'b', 'c']))
    await writer.append(batch(['d']))
    await writer.append(batch(['e', 'f']))
    const checksum = new Checksum()
    for (const [index, id] of ['a', 'b', 'c', 'd', 'e', 'f'].entries()) {
      checksum.add('/sales', id)
      const upTo = index + 1
      assert.deepEqual(await reader.summary({ upTo }), {
        position: upTo,
        count: upTo,
        checksum: checksum.toString(),
        unidentified: 0,
      })
    }
    assert.deepEqual(await reader.summary({ upTo: 99 }), await reader.summary())
    await writer.close()
    await reader.close()
  })

  promise('pages are bounded by after, upTo and limit', async (history) => {
    const writer = await history.openWriter()
    await writer.append(batch(['a', 'b', 'c', 'd']))
    const reader = history.openReader()
    const ids = async (page: { after: number; upTo?: number; limit?: number }) => [
      (await reader.read(page)).map(({ id }) => id).join(''),
      (await reader.identities(page)).map(({ id }) => id).join(''),
    ]
    assert.deepEqual(await ids({ after: 1 }), ['bcd', 'bcd'])
    assert.deepEqual(await ids({ after: 1, upTo: 3 }), ['bc', 'bc'])
    assert.deepEqual(await ids({ after: 0, limit: 2 }), ['ab', 'ab'])
    assert.deepEqual(await ids({ after: 4 }), ['', ''])
    assert.deepEqual(await reader.bounds(), { first: 1, head: 4 })
    assert.equal((await reader.at(3))?.id, 'c')
    assert.equal(await reader.at(5), undefined)
    await writer.close()
    await reader.close()
  })

  promise('a filter picks exactly what it says, oldest or newest first, page by page', async (history) => {
    const writer = await history.openWriter()
    const types = ['placed', 'paid', 'sent']
    const events = Array.from({ length: 90 }, (_, index): NewEvent => {
      const subject = index % 10 === 9 ? undefined : `EC-${index % 4}`
      const event = newEvent(`${index}`, { source: index % 7 === 0 ? '/shop' : '/sales' })
      return { ...event, type: types[index % 3]!, subject }
    })
    await writer.append({ events, fences: [] })
    const reader = history.openReader()
    const filters: EventFilter[] = [
      {},
      { types: ['paid'] },
      { types: ['paid', 'sent'] },
      { subjects: ['EC-2'] },
      { subjects: ['EC-2', 'EC-3'], types: ['sent'] },
      { sources: ['/shop'] },
      { types: ['placed'], sources: ['/shop'], subjects: ['EC-1'] },
      { subjects: ['of nobody'] },
      { types: [] },
    ]
    const all = await reader.read({ after: 0 })
    for (const filter of filters) {
      const expected = all.filter((event) => matchesFilter(event, filter)).map(({ position }) => position)
      const within = expected.filter((position) => position > 5 && position <= 80)
      assert.deepEqual(await selectAll(reader, { filter, after: 0, limit: 4 }), expected)
      assert.deepEqual(await selectAll(reader, { filter, after: 5, upTo: 80, limit: 4 }), within)
      assert.deepEqual(
        await selectAll(reader, { filter, after: 5, upTo: 80, limit: 4, newestFirst: true }),
        within.toReversed(),
      )
    }
    const nothing = await reader.select({ filter: { types: ['of none'] }, after: 3 })
    assert.deepEqual([nothing.events, nothing.through], [[], 90], 'all of it was looked at')
    await writer.close()
    await reader.close()
  })

  promise(
    'the newest of each subject is whole as of a position, however far it has grown',
    async (history) => {
      const writer = await history.openWriter()
      const of = (id: string, subject: string | undefined): NewEvent => ({ ...newEvent(id), subject })
      const subjects = ['a', 'b', undefined, 'a', "c'", 'b', undefined, 'a', "c'", 'd']
      await writer.append({ events: subjects.map((subject, index) => of(`${index}`, subject)), fences: [] })
      const reader = history.openReader()
      const wholeUpTo = async (upTo: number, limit: number) => {
        const whole: number[] = []
        for (let after = 0; after < upTo; ) {
          const page = await reader.latest({ after, upTo, limit })
          assert.ok(page.length > 0 && page.length <= limit)
          for (const { position, id, unidentified, superseded, message, data } of page) {
            assert.equal(position, ++after, 'every position is in the page')
            assert.deepEqual([id, unidentified], [`${position - 1}`, false])
            if (superseded === true) assert.deepEqual([message.body.length, data], [0, undefined])
            else assert.deepEqual(message, newEvent(id).message)
            if (superseded !== true) whole.push(position)
          }
        }
        return whole
      }
      assert.deepEqual(await wholeUpTo(10, 500), [3, 6, 7, 8, 9, 10])
      assert.deepEqual(await wholeUpTo(10, 3), [3, 6, 7, 8, 9, 10], 'in pages')
      assert.deepEqual(await wholeUpTo(6, 4), [3, 4, 5, 6])
      await writer.append({ events: [of('10', 'a'), of('11', 'd')], fences: [] })
      assert.deepEqual(await wholeUpTo(10, 4), [3, 6, 7, 8, 9, 10], 'what came later changes nothing')
      assert.deepEqual(await wholeUpTo(12, 500), [3, 6, 7, 9, 11, 12])
      assert.deepEqual(await reader.latest({ after: 10, upTo: 10 }), [])
      await history.removeByHand(5)
      await assert.rejects(reader.latest({ after: 0, upTo: 12 }), { code: 'HISTORY_CORRUPT' })
      await writer.close()
      await reader.close()
    },
  )

  promise('what is counted and outlined is what is held', async (history) => {
    const writer = await history.openWriter()
    const bodies = [Buffer.from('{"city":"Köln"}'), Buffer.alloc(0), Buffer.from([0xff, 0]), Buffer.from('é')]
    const events = bodies.map((body, index): NewEvent => {
      const event = newEvent(`${index}`)
      const subject = index === 3 ? undefined : `EC-${index % 2}`
      return { ...event, type: index === 0 ? 'paid' : 'placed', subject, message: { ...event.message, body } }
    })
    const reader = history.openReader()
    await writer.append({ events, fences: [] })
    const counts = await reader.counts()
    const types = [
      { type: 'placed', events: 3 },
      { type: 'paid', events: 1 },
    ]
    // A store may decline to count.
    if (counts !== undefined) assert.deepEqual(counts, { types, subjects: 2 })
    const outlines = await reader.outlines({ after: 0 })
    const expected = (await reader.read({ after: 0 })).map((event) => ({
      position: event.position,
      source: event.source,
      type: event.type,
      subject: event.subject,
      recordedAt: event.recordedAt,
      bodyBytes: event.message.body.length,
    }))
    assert.deepEqual(outlines, expected)
    assert.deepEqual(
      outlines.map(({ bodyBytes }) => bodyBytes),
      [16, 0, 2, 2],
    )
    const page = await reader.outlines({ after: 1, upTo: 3, limit: 1 })
    assert.deepEqual(
      page.map(({ position }) => position),
      [2],
    )
    await writer.close()
    await reader.close()
  })

  promise(
    'no event was recorded earlier than the one before it, whatever the clock did',
    async (history, t) => {
      t.mock.timers.enable({ apis: ['Date'], now: 2_000_000 })
      const writer = await history.openWriter()
      await writer.append(batch(['a']))
      t.mock.timers.setTime(1_000_000)
      await writer.append(batch(['b']))
      await writer.close()
      const next = await history.openWriter()
      await next.append(batch(['c']))
      const reader = history.openReader()
      const times = (await reader.read({ after: 0 })).map(({ recordedAt }) => recordedAt.getTime())
      assert.deepEqual(times, [2_000_000, 2_000_000, 2_000_000])
      await next.close()
      await reader.close()
    },
  )

  promise(
    'a position that was removed by hand is told by name, wherever a page meets it',
    async (history) => {
      const writer = await history.openWriter()
      await writer.append(batch(['a', 'b', 'c', 'd', 'e', 'f', 'g']))
      for (const position of [1, 2, 5, 7]) await history.removeByHand(position)
      const reader = history.openReader()
      assert.deepEqual(await reader.bounds(), { first: 3, head: 7 })
      const read = async (page: Page) =>
        await Promise.all([
          reader.read(page).then((events) => events.map(({ id }) => id).join('')),
          reader.identities(page).then((events) => events.map(({ id }) => id).join('')),
        ])
      const hole = (position: number) => ({
        name: 'HistoryError',
        code: 'HISTORY_CORRUPT',
        message: new RegExp(`no event at position ${position}\\b`),
      })
      assert.deepEqual(await read({ after: 0, upTo: 4 }), ['cd', 'cd'], 'truncated at its beginning: no hole')
      assert.deepEqual(await read({ after: 0, upTo: 2 }), ['', ''])
      await assert.rejects(read({ after: 0 }), hole(5))
      await assert.rejects(read({ after: 2 }), hole(5))
      await assert.rejects(read({ after: 4 }), hole(5))
      await assert.rejects(read({ after: 4, limit: 1 }), hole(5))
      await assert.rejects(
        read({ after: 4, upTo: 5 }),
        hole(5),
        'no empty page, that would look like the end',
      )
      assert.deepEqual(await read({ after: 5 }), ['f', 'f'], 'and it can be read on behind it')
      await assert.rejects(read({ after: 6 }), hole(7), 'the last one: the head is still known')
      assert.deepEqual(await read({ after: 7 }), ['', ''])
      assert.deepEqual(
        (await reader.sequences({ after: 0 })).map(({ id }) => id),
        ['c', 'd', 'f'],
      )
      await writer.append(batch(['h']))
      assert.deepEqual(await reader.bounds(), { first: 3, head: 8 })
      await assert.rejects(read({ after: 6 }), hole(7))
      await writer.close()
      await reader.close()
    },
  )

  promise("each event's sequence is read with it, where it states one", async (history) => {
    const writer = await history.openWriter()
    const epoch = '0lx3f9k2ab7qz'
    const ours = { exchange, source: '/sales' }
    const placed = (id: string, subject?: string) => toMessage({ type: 'order.placed', id, subject }, ours)
    const messages = [
      withSequence(placed('a', 'EC-1'), `${epoch}.0000000000000001`),
      withSequence(placed('b'), `${epoch}.0000000000000002`),
      placed('c'),
      withSequence(newEvent('d').message, `${epoch}.0000000000000003`),
      newEvent('e').message,
      // Another library's, ours in another form, and a number that is none of ours.
      withSequence(placed('f'), 17),
      withSequence(placed('g'), `${epoch}.4`),
      withSequence(placed('h'), `${epoch}.0000000000000000`),
    ]
    await writer.append({
      events: messages.map((message) => ({ ...attributesOf(message), message })),
      fences: [],
    })
    const reader = history.openReader()
    const events = await reader.sequences({ after: 0 })
    assert.deepEqual(events[0], {
      position: 1,
      source: '/sales',
      id: 'a',
      type: 'order.placed',
      subject: 'EC-1',
      epoch,
      sequence: 1,
    })
    assert.deepEqual(
      events.map(({ epoch: found, sequence }) => found && [found, sequence]),
      [[epoch, 1], [epoch, 2], undefined, [epoch, 3], undefined, undefined, undefined, undefined],
    )
    assert.deepEqual(
      (await reader.read({ after: 0 })).map(({ message }) => message.properties),
      messages.map(({ properties }) => properties),
    )
    assert.deepEqual(
      (await reader.sequences({ after: 1, upTo: 6, limit: 2 })).map(({ id }) => id),
      ['b', 'c'],
    )
    await writer.close()
    await reader.close()
  })

  promise('there is a checkpoint at the end of each batch, in order', async (history) => {
    const writer = await history.openWriter()
    await writer.append(batch(['a', 'b', 'c']))
    await writer.append(batch(['b']))
    await writer.append({ events: [{ ...newEvent('d'), id: undefined }], fences: [] })
    await writer.append(batch(['e']))
    const reader = history.openReader()
    const checkpoints = await reader.checkpoints({ after: 0 })
    for (const { position, checksum, unidentified } of checkpoints) {
      const summary = await reader.summary({ upTo: position })
      assert.deepEqual({ position, checksum, unidentified, count: position }, summary)
    }
    assert.deepEqual(
      checkpoints.map(({ position, unidentified }) => [position, unidentified]),
      [
        [3, 0],
        [4, 1],
        [5, 1],
      ],
    )
    assert.deepEqual(
      (await reader.checkpoints({ after: 3, upTo: 4 })).map(({ position }) => position),
      [4],
    )
    assert.equal((await reader.checkpoints({ after: 0, limit: 2 })).length, 2)
    await writer.close()
    await reader.close()
  })

  promise('what was published comes back as it was', async (history) => {
    const writer = await history.openWriter()
    const message: Message = {
      exchange: 'another',
      routingKey: 'orders.eu',
      properties: {
        contentType: 'application/json',
        headers: { text: 'ü', bytes: Buffer.from([0, 255]), nested: { list: [1, null, true] } },
        messageId: 'm1',
        timestamp: 1_700_000_000,
        priority: 3,
      },
      body: Buffer.from('{"model":"Edison One"}'),
    }
    await writer.append({
      events: [{ id: 'm1', source: '/s', type: 't', subject: 'EC-1', message }],
      fences: [],
    })
    const reader = history.openReader()
    const event = await reader.at(1)
    assert.deepEqual(event!.message, message)
    assert.deepEqual(event!.data, { model: 'Edison One' })
    assert.equal(event!.subject, 'EC-1')
    assert.equal(event!.time, '2023-11-14T22:13:20.000Z')
    await writer.close()
    await reader.close()
  })

  promise('a body comes back byte for byte, whatever it is', async (history) => {
    const bodies = [
      Buffer.alloc(0),
      Buffer.from('größer, 汽车, 🚗'),
      Buffer.from('\uFEFFa byte order mark'),
      Buffer.from('NUL \0 within\0'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from([0x61, 0xc3]),
      Buffer.from([0xed, 0xa0, 0x80]),
      Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
      Buffer.alloc(300_000, 'ä'),
    ]
    const writer = await history.openWriter()
    await writer.append({
      events: bodies.map((body, index) => {
        const event = newEvent(`${index}`)
        return { ...event, message: { ...event.message, properties: {}, body } }
      }),
      fences: [],
    })
    const reader = history.openReader()
    const events = await reader.read({ after: 0 })
    for (const [index, body] of bodies.entries()) {
      assert.deepEqual(events[index]!.message.body, body, `body ${index}`)
      assert.deepEqual(events[index]!.data, body, `data ${index}`)
    }
    await writer.close()
    await reader.close()
  })

  promise('what is imported has the positions, ids, times and sums that it had', async (history, t) => {
    const writer = await history.openWriter()
    const events = [importedEvent(1), importedEvent(2, { unidentified: true }), importedEvent(3)]
    await writer.import({ events, spent: [{ position: 2, source: '/sales', epoch: '0a', sequence: 7 }] })
    assert.equal(await writer.head(), 3)
    t.mock.timers.enable({ apis: ['Date'], now: 1_000 })
    await writer.append(batch(['imported-1', 'x']))
    const reader = history.openReader()
    const read = await reader.read({ after: 0 })
    for (const [
      index,
      { position, source, id, type, subject, recordedAt, unidentified },
    ] of events.entries()) {
      const event = read[index]!
      assert.deepEqual(event.message, events[index]!.message)
      assert.deepEqual(
        { ...event, recordedAt: event.recordedAt },
        { position, source, id, type, subject, recordedAt, unidentified },
      )
    }
    assert.deepEqual(
      [read[3]!.id, read[3]!.recordedAt],
      ['x', events[2]!.recordedAt],
      'the clock goes on from it',
    )
    const checksum = new Checksum()
    for (const { source, id } of read) checksum.add(source, id)
    assert.deepEqual(await reader.summary(), {
      position: 4,
      count: 4,
      checksum: checksum.toString(),
      unidentified: 1,
    })
    const spent = await reader.spentSequences({ after: 0, upTo: 4, limit: 9 })
    assert.deepEqual(
      spent.map(({ position, sequence }) => [position, sequence]),
      [[2, 7]],
    )
    await writer.close()
    await reader.close()
  })

  promise('an import goes on behind the head and with new identities, or not at all', async (history) => {
    const writer = await history.openWriter()
    await writer.append(batch(['a', 'imported-9']))
    const refused = async (events: readonly RecordedEvent[], message: RegExp) => {
      const code = 'HISTORY_CONFLICT'
      await assert.rejects(writer.import({ events, spent: [] }), { name: 'HistoryError', code, message })
      assert.equal(await writer.head(), 2)
    }
    await refused([importedEvent(2)], /Position 2 .* head is 2/)
    await refused([importedEvent(3), importedEvent(5)], /Position 5 .* the next one is 4/)
    await refused(
      [importedEvent(3), { ...importedEvent(4), id: 'imported-9' }],
      /imported-9 .* at position 2/,
    )
    const base = { position: 7, checksum: '0'.repeat(32), unidentified: 0 }
    await assert.rejects(writer.import({ events: [importedEvent(8)], spent: [], base }), /Position 8/)
    await writer.import({ events: [importedEvent(3)], spent: [] })
    assert.equal(await writer.head(), 3)
    await writer.close()
  })

  promise('an import may begin above 1, with the sums of what lies below', async (history) => {
    const first = await history.openWriter()
    const base = { position: 7, checksum: '0123456789abcdef0123456789abcdef', unidentified: 2 }
    await first.import({ events: [importedEvent(8)], spent: [], base })
    await first.close()
    const writer = await history.openWriter()
    await writer.import({ events: [importedEvent(9)], spent: [] })
    const reader = history.openReader()
    assert.deepEqual(await reader.bounds(), { first: 8, head: 9 })
    const checksum = new Checksum(base.checksum)
    for (const position of [8, 9]) checksum.add('/sales', `imported-${position}`)
    assert.deepEqual(await reader.summary(), {
      position: 9,
      count: 9,
      checksum: checksum.toString(),
      unidentified: 2,
    })
    assert.deepEqual(await reader.summary({ upTo: 7 }), { ...base, count: 7 })
    assert.ok((await auditHistory(reader)).clean)
    await writer.close()
    await reader.close()
  })

  promise('there is one writer at a time, and the next is let in when it closes', async (history) => {
    const writer = await history.openWriter()
    await assert.rejects(history.openWriter(), { name: 'HistoryError', code: 'HISTORY_LOCKED' })
    await writer.close()
    await (await history.openWriter()).close()
  })

  promise('a closed reader and a closed writer say so', async (history) => {
    const writer = await history.openWriter()
    await writer.close()
    await assert.rejects(writer.append(batch(['a'])), { code: 'HISTORY_CLOSED' })
    const reader = history.openReader()
    await reader.close()
    await assert.rejects(reader.bounds(), { code: 'HISTORY_CLOSED' })
  })
}

/** The positions of every page. */
async function selectAll(
  reader: HistoryReader,
  page: SelectPage & { readonly after: number },
): Promise<number[]> {
  const positions: number[] = []
  const { head } = await reader.bounds()
  for (let { after, upTo = head } = page; after < upTo; ) {
    const { events, through } = await reader.select({ ...page, after, upTo })
    assert.ok(events.length <= page.limit!)
    positions.push(...events.map(({ position }) => position))
    if (page.newestFirst === true) upTo = through - 1
    else after = through
  }
  return positions
}

function withSequence(message: Message, value: HeaderValue): Message {
  const headers = { ...message.properties.headers, 'ce-sequence': value }
  return { ...message, properties: { ...message.properties, headers } }
}

function batch(ids: readonly string[]) {
  return { events: ids.map((id) => newEvent(id)), fences: [] }
}

function newEvent(id: string, { source = '/sales' } = {}): NewEvent {
  const properties = { contentType: 'application/json', messageId: id, appId: source }
  const message = { exchange, routingKey: '', properties, body: Buffer.from('{}') }
  return { id, source, type: 'order.placed', subject: undefined, message }
}

function importedEvent(position: number, { unidentified = false } = {}): RecordedEvent {
  const { source, type, message } = newEvent(`imported-${position}`)
  const recordedAt = new Date(1_700_000_000_000 + position)
  const id = `${unidentified ? 'unidentified:' : ''}imported-${position}`
  return { position, source, id, type, subject: 'EC-1', recordedAt, unidentified, message }
}
