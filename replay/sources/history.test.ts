/** A history as a source: what patterns leave out is not made, and a report tells the same. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { attributesOf, compilePattern, type Message, silentLogger, toMessage } from '../../events/index.ts'
import { openHistoryKeeper, openHistoryWriter, serveFeed } from '../../history/index.ts'
import { replayedMessage } from '../actions/amqp/replayed-message.ts'
import { JsonEvent } from '../json-event.ts'
import { recordingAction } from '../replay.fixture.ts'
import { replay } from '../replay.ts'
import type { ReplayEvent } from '../replay-event.ts'
import type { Source } from '../source.ts'
import { source as plugin } from './history.ts'

async function historyOf(t: TestContext, count: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-replay-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const history = join(folder, 'history.db')
  const writer = await openHistoryWriter({ history, exchange: 'orders' })
  const events = Array.from({ length: count }, (_, at) => {
    const type = at % 10 === 0 ? 'rare' : 'common'
    const pretty = Buffer.from(JSON.stringify({ n: at + 1 }, undefined, 2))
    const message = toMessage(
      { type, id: `${at + 1}`, subject: `k${at % 3}`, data: pretty, contentType: 'application/json' },
      { exchange: 'orders', source: '/s' },
    )
    return { ...attributesOf(message), message }
  })
  await writer.append({ events, fences: [] })
  await writer.close()
  return history
}

async function sourceOf(history: string, options: object = {}): Promise<Source> {
  const context = {
    runId: 'r',
    cwd: '/',
    logger: silentLogger,
    setting: () => undefined,
    brokers: async () => [],
    history: async () => history,
    stdin: process.stdin,
    output: { write: async () => {} },
  }
  return await plugin.create({ address: history, options: { ...options }, context })
}

const rare = { type: ['rare'], data: { n: [{ numeric: ['>', 500] }] } }

for (const where of ['in a file', 'behind a feed']) {
  test(`a rule by type and body picks the same ${where} as in memory, and all that was looked at is counted`, async (t) => {
    const file = await historyOf(t, 1_234)
    let history = file
    if (where === 'behind a feed') {
      const feed = await serveFeed({ histories: [file], port: 0 })
      t.after(() => feed.close({ drainMs: 0 }))
      history = `${feed.url}/exchanges/orders`
    }
    const run = async (patterns: readonly object[], source: Source) => {
      const actions = patterns.map(() => recordingAction({ batchMax: 10 }))
      const rules = patterns.map((pattern, at) => ({
        name: `rule ${at}`,
        pattern: compilePattern(pattern),
        action: actions[at]!,
      }))
      const report = await replay({ run: 'r', source, rules })
      const { read, picked, checksum } = report
      return { read, picked, checksum, done: actions.map(({ done }) => done) }
    }
    const two = [rare, { subject: ['k1'], type: ['rare'] }]
    for (const patterns of [[rare], two, [{ data: { n: [7] } }], [{ type: ['none'] }]]) {
      const inMemory = await sourceOf(history)
      const { read } = inMemory
      const plain = await run(patterns, {
        ...inMemory,
        name: 'a history',
        open: () => inMemory.open(),
        close: () => inMemory.close(),
        read: ({ after, signal }) => read.call(inMemory, { after, signal }),
      })
      assert.deepEqual(await run(patterns, await sourceOf(history)), plain)
      assert.equal(plain.read, 1_234)
    }
    const all = await sourceOf(history, { types: ['rare'] })
    assert.equal((await run([{ subject: ['k1'] }], all)).picked, 41)
  })
}

test('a JSON body over several lines is data to a pattern, and its line keeps it byte for byte', async (t) => {
  const source = await sourceOf(await historyOf(t, 2))
  t.after(() => source.close())
  await source.open()
  for await (const { events } of source.read({ after: undefined, signal: new AbortController().signal })) {
    const [first] = events
    assert.deepEqual((first!.json as { data: unknown }).data, { n: 1 })
    assert.match(first!.text, /"data_base64":"/)
  }
})

test('an event says of itself what its line says, and is published as its line would be', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-replay-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const history = join(folder, 'history.db')
  const writer = await openHistoryWriter({ history, exchange: 'orders' })
  const odd: readonly Message['properties'][] = [
    {},
    { messageId: '1', appId: '/s', type: 't', timestamp: 1_700_000_000 },
    { messageId: '2', headers: { 'ce-time': 'yesterday', 'ce-subject': 's', 'ce-type': 'other' }, type: 't' },
    {
      headers: {
        'ce-id': '3',
        'ce-source': '/c',
        'ce-time': '2026-01-02T03:04:05.678Z',
        bytes: Buffer.from([0]),
      },
    },
  ]
  const messages = [
    ...odd.map((properties) => ({
      exchange: 'orders',
      routingKey: 'k',
      properties,
      body: Buffer.from([0, 255]),
    })),
    toMessage({ type: 't', id: '5', subject: 's', data: { n: 1 } }, { exchange: 'orders', source: '/s' }),
  ]
  const events = messages.map((message) => ({ ...attributesOf(message), message }))
  await writer.append({ events, fences: [] })
  await writer.close()
  const source = await sourceOf(history)
  t.after(() => source.close())
  await source.open()
  const read: ReplayEvent[] = []
  for await (const page of source.read({ after: undefined, signal: new AbortController().signal })) {
    read.push(...page.events)
  }
  assert.equal(read.length, messages.length)
  const options = {
    exchange: 'other',
    routingKey: undefined,
    headers: {},
    type: undefined,
    source: '/',
    keepsUserId: true,
    runId: 'r',
  }
  for (const event of read) {
    const { position, place, text } = event
    const asLine = new JsonEvent(text, position, { placeOf: () => place, tokenOf: String })
    assert.deepEqual(event.attributes, asLine.attributes)
    assert.deepEqual(event.json, asLine.json)
    assert.notEqual(event.published, undefined)
    assert.deepEqual(replayedMessage(event, options), replayedMessage(asLine, options))
  }
})

const reads = {
  'read as a whole': [],
  'asked for by a pattern': [compilePattern({ data: { n: [{ exists: true }] }, type: ['common', 'rare'] })],
}

for (const [how, patterns] of Object.entries(reads)) {
  const readAll = async (source: Source, after?: string) => {
    const events: ReplayEvent[] = []
    let passed = 0
    await source.open()
    try {
      const signal = new AbortController().signal
      for await (const page of source.read({ after, signal, patterns })) {
        events.push(...page.events)
        passed += page.passed ?? 0
      }
    } finally {
      await source.close()
    }
    return { events, passed, positions: events.map(({ position }) => position) }
  }

  test(`pruned positions are an error before anything is handed out, or accepted, ${how}`, async (t) => {
    const history = await historyOf(t, 40)
    {
      await using keeper = await openHistoryKeeper({ history })
      await keeper.prune({ type: 'rare', keepEvents: 1 })
    }
    const message = /pruned positions 1 to 1 .*acceptPruned=true/
    await assert.rejects(readAll(await sourceOf(history)), { code: 'HISTORY_PRUNED', message })
    await assert.rejects(readAll(await sourceOf(history, { after: 15 })), { code: 'HISTORY_PRUNED' })
    const { positions, passed } = await readAll(await sourceOf(history, { acceptPruned: 'true' }))
    assert.deepEqual(
      positions,
      numbers(40).filter((position) => ![1, 11, 21].includes(position)),
    )
    assert.equal(passed, 0)
    assert.equal((await readAll(await sourceOf(history, { after: 21 }))).positions.length, 19)
  })

  test(`a place in a history is gone on from only where the event is still there, ${how}`, async (t) => {
    const history = await historyOf(t, 40)
    const { events } = await readAll(await sourceOf(history))
    const token = events[9]!.token
    const writer = await openHistoryWriter({ history, exchange: 'orders' })
    const options = { type: 'common', id: 'late', data: { n: 0 } }
    const message = toMessage(options, { exchange: 'orders', source: '/s' })
    await writer.append({ events: [{ ...attributesOf(message), message }], fences: [] })
    await writer.close()
    const rest = await readAll(await sourceOf(history), token)
    assert.deepEqual(rest.positions, numbers(40).slice(10), 'it ends where the first run would have')
    const refused = (from: string, place: string, reason: RegExp) =>
      assert.rejects(
        sourceOf(from).then((source) => readAll(source, place)),
        {
          code: 'REPLAY_CHECKPOINT_FOREIGN',
          message: reason,
        },
      )
    const shorter = await historyOf(t, 20)
    await refused(shorter, token, /ends before position 40.*positions 1 to 20 now/)
    await refused(shorter, events[29]!.token, /has no position 30 any more.*positions 1 to 20 now/)
    await refused(history, token.replace(/^10 /, '9 '), /another event at position 9 /)
    await refused(history, '10', /older version/)
    await using keeper = await openHistoryKeeper({ history })
    await keeper.prune({ keepEvents: 25 })
    await refused(history, token, /has no position 10 any more.*positions 17 to 41 now/)
  })
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1)
}
