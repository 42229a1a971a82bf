import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchAgain, noteOfBatch } from './batch-again.ts'

/** Upper case has an id. */
const message = (text: string) => ({ exchange: 'e', routingKey: '', properties: {}, body: Buffer.from(text) })
const eventOf = (text: string) => ({
  id: text === text.toUpperCase() ? text : undefined,
  source: 's',
  type: '',
  subject: undefined,
  message: message(text),
})

function compared(batch: string, redelivered: string) {
  const again = new BatchAgain(noteOfBatch([...batch].map(eventOf)))
  for (const text of redelivered) again.next(message(text))
  again.end()
  return { verdict: again.verdict, known: again.known }
}

test('a batch that comes again whole and first is known, with how many of it have no id', () => {
  assert.deepEqual(compared('xAxB', 'xAxBxC'), { verdict: 'same', known: 2 })
})

test('what follows an acknowledged batch is new, though its messages without an id are the same', () => {
  for (const redelivered of ['xCxD', 'xAx', 'AxBx', ''])
    assert.equal(compared('xAxB', redelivered).verdict, 'other', redelivered)
})

test('of one message over and over nobody can tell: it is taken for new', () => {
  assert.equal(compared('xxx', 'xxxx').verdict, 'other')
  assert.equal(new BatchAgain('').verdict, 'other')
})
