import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openHistoryWriter } from '../open-history.ts'
import type { HistoryWriter, NewEvent } from '../writer.ts'
import { BatchInHand } from './batch-in-hand.ts'

/** Upper case has an id. */
const message = (text: string) => ({ exchange: 'e', routingKey: '', properties: {}, body: Buffer.from(text) })
const eventOf = (text: string): NewEvent => ({
  id: text === text.toUpperCase() ? text : undefined,
  source: 's',
  type: '',
  subject: undefined,
  message: message(text),
})

async function openWriter(t: TestContext): Promise<HistoryWriter> {
  const directory = mkdtempSync(join(tmpdir(), 'backstory-'))
  const writer = await openHistoryWriter({ history: join(directory, 'e.db'), exchange: 'e' })
  t.after(async () => {
    await writer.close()
    rmSync(directory, { recursive: true })
  })
  return writer
}

/** Records batches, each acknowledged before the next, as a recorder does. */
async function record(writer: HistoryWriter, inHand: BatchInHand, texts: readonly string[]) {
  for (const text of texts) {
    const events = [...text].map(eventOf)
    const hasUnidentified = events.some(({ id }) => id === undefined)
    const notes = inHand.notesOf({ events, known: 0, hasUnidentified })
    await writer.append({ events, fences: [], ...(notes === undefined ? {} : { notes }) })
  }
}

let places = 0

/** What a recorder that was killed after these batches, the last not acknowledged, makes of what comes. */
async function compared(writer: HistoryWriter, batches: string, redelivered: string, { end = true } = {}) {
  const name = `place ${++places}`
  await record(writer, await BatchInHand.read(writer, name), batches.split(' '))
  const comparison = (await BatchInHand.read(writer, name)).comparison()
  for (const text of redelivered) comparison.next(message(text))
  if (end) comparison.end()
  return comparison.verdict === 'same' ? comparison.known : comparison.verdict
}

test('a batch that comes again whole and first is known, with how many of it have no id', async (t) => {
  const writer = await openWriter(t)
  assert.equal(await compared(writer, 'abc', 'abcd'), 3)
  assert.equal(await compared(writer, 'abc', 'abc'), 3)
  assert.equal(await compared(writer, 'xAxB', 'xAxBxC'), 2)
  assert.equal(await compared(writer, 'x abc', 'abc'), 3)
  assert.equal(await compared(writer, 'abcab', 'abcab'), 5, 'what follows would be cabca')
})

test('what comes in its place, or only a part of it, is new: the batch had been acknowledged', async (t) => {
  const writer = await openWriter(t)
  for (const redelivered of ['bcd', 'abx', 'ab', ''])
    assert.equal(await compared(writer, 'abc', redelivered), 'other', redelivered)
  assert.equal(await compared(writer, 'abcab', 'cabca'), 'other')
  for (const redelivered of ['xCxD', 'xAx', 'AxBx', ''])
    assert.equal(await compared(writer, 'xAxB', redelivered), 'other', redelivered)
})

test('what cannot be told from a batch like it behind it is new: rather twice than not at all', async (t) => {
  const writer = await openWriter(t)
  for (const batch of ['x', 'xxx', 'abab', 'abcabc', 'XaXa'])
    assert.equal(await compared(writer, batch, batch + batch), 'other', batch)
  assert.equal(await compared(writer, 'abc abc', 'abcabc'), 'other', 'it has been followed by its like')
  assert.equal(await compared(writer, 'abc abc abc', 'abcabc'), 'other')
  assert.equal(await compared(writer, 'abc XY abc', 'abc'), 'other')
})

test('what another writer adds in between, such as an adoption, changes nothing', async (t) => {
  const writer = await openWriter(t)
  await record(writer, await BatchInHand.read(writer, 'recorder'), ['abc'])
  await record(writer, await BatchInHand.read(writer, 'adoption'), ['uvw', 'xyz'])
  const comparison = (await BatchInHand.read(writer, 'recorder')).comparison()
  for (const text of 'abc') comparison.next(message(text))
  assert.equal(comparison.verdict, 'same')
})

test('while more may come, a part of it says nothing', async (t) => {
  assert.equal(await compared(await openWriter(t), 'abc', 'ab', { end: false }), 'open')
})

test('once its acknowledgement is known, by an answer or by the next batch, nothing is compared', async (t) => {
  const writer = await openWriter(t)
  const inHand = await BatchInHand.read(writer, 'n')
  await record(writer, inHand, ['abc'])
  assert.equal(inHand.isOpen, true)
  await inHand.settle(writer)
  assert.equal(inHand.isOpen, false)
  const later = await BatchInHand.read(writer, 'n')
  assert.equal(later.isOpen, false)
  await record(writer, later, ['def', 'XY'])
  assert.equal((await BatchInHand.read(writer, 'n')).isOpen, false)
  await record(writer, later, ['def'])
  assert.equal(later.isOpen, false, 'it has been there before, whatever was in between')
})

test('a batch all of whose messages have ids is not noted', async (t) => {
  const inHand = await BatchInHand.read(await openWriter(t), 'n')
  assert.equal(
    inHand.notesOf({ events: [...'AB'].map(eventOf), known: 0, hasUnidentified: false }),
    undefined,
  )
})

test('messages are told apart by all that was published', async (t) => {
  const writer = await openWriter(t)
  const whole = { ...message('x'), properties: { headers: { n: 1 } } }
  const batch = [whole, message('y')]
  const events = batch.map((one) => ({ ...eventOf('x'), message: one }))
  const notes = (await BatchInHand.read(writer, 'n')).notesOf({ events, known: 0, hasUnidentified: true })!
  await writer.append({ events, fences: [], notes })
  const inHand = await BatchInHand.read(writer, 'n')
  const verdictOf = (other: object) => {
    const comparison = inHand.comparison()
    comparison.next({ ...whole, ...other })
    // A redelivery may turn no headers into an empty table.
    comparison.next({ ...message('y'), properties: { headers: {} } })
    return comparison.verdict
  }
  assert.equal(verdictOf({ body: Buffer.from('x') }), 'same')
  for (const other of [
    { exchange: 'f' },
    { routingKey: 'k' },
    { properties: { headers: { n: 2 } } },
    { body: Buffer.from('y') },
  ])
    assert.equal(verdictOf(other), 'other')
})
