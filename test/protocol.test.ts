/** What docs/protocol.md gives other languages to copy is what our own code does. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fenceMessage } from '../broker/fence.ts'
import { wantedQueues } from '../broker/topology.ts'
import { Checksum, sequenceOf, toMessage } from '../events/index.ts'

const page = await readFile(new URL('../docs/protocol.md', import.meta.url), 'utf8')
const blocks = [...page.matchAll(/```json\n([\s\S]*?)```/g)]
const [queue, fence, vectors, published] = blocks.map(([, text]): unknown => JSON.parse(text!))

interface Shown {
  readonly properties: { readonly headers: Readonly<Record<string, string>> }
  readonly body: string
}

test('the protocol has the arguments of a queue', () => {
  const [dead, own] = wantedQueues('orders.billing')
  assert.deepEqual(dead, {
    name: 'orders.billing.dead',
    arguments: { 'x-queue-type': 'quorum' },
    isBound: false,
  })
  assert.deepEqual(queue, own!.arguments)
})

test('the protocol has the message of a fence', () => {
  const { body, ...rest } = fenceMessage('orders.history', '<id>')
  assert.deepEqual(fence, { ...rest, body: body.toString() })
})

test('the protocol has checksums that hold', () => {
  for (const { events, checksum } of vectors as { events: [string, string][]; checksum: string }[]) {
    const sum = new Checksum()
    for (const [source, id] of events) sum.add(source, id)
    assert.equal(sum.toString(), checksum)
  }
})

test('the protocol has an event as our publisher sends it', () => {
  const { properties, body: text } = published as Shown
  const { headers } = properties
  assert.deepEqual(sequenceOf(properties), { epoch: '0mi91x2ab4k7q2', sequence: 42 })
  const event = {
    id: headers['ce-id']!,
    type: headers['ce-type']!,
    subject: headers['ce-subject']!,
    time: headers['ce-time']!,
    data: JSON.parse(text) as unknown,
    extensions: { sequence: headers['ce-sequence']! },
  }
  const { body, ...rest } = toMessage(event, { exchange: 'orders', source: headers['ce-source']! })
  assert.deepEqual(published, { ...rest, body: body.toString() })
})
