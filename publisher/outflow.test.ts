import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { BrokerChannel } from '../broker/index.ts'
import type { Message } from '../events/index.ts'
import { Outflow } from './outflow.ts'

type Answer = { readonly multiple: boolean; readonly accepted: boolean }

/** A channel that takes everything, and answers what it is told to. */
class ChannelInHand {
  readonly isOpen = true
  readonly sent: string[] = []
  #answer: (tag: number, answer: Answer) => void = () => {}

  publish(message: Message): boolean {
    this.sent.push(message.properties.messageId!)
    return true
  }
  onReturn(): void {}
  onConfirm(listener: (tag: number, answer: Answer) => void): void {
    this.#answer = listener
  }
  answer(tag: number, accepted: boolean): void {
    this.#answer(tag, { multiple: false, accepted })
  }
}

function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const outflow = new Outflow({ inFlightMax: 10 })
  const channel = new ChannelInHand()
  const open = () => outflow.use(channel as unknown as BrokerChannel)
  const send = async (id: string) => {
    const message = { exchange: 'e', routingKey: '', properties: { messageId: id }, body: Buffer.alloc(0) }
    return await outflow.send(message).then(
      () => 'confirmed',
      (error) => error.code,
    )
  }
  return { outflow, channel, open, send }
}

test('the first publish of a channel leaves alone; where a queue is still being started, again before all others', async (t) => {
  const { channel, open, send } = start(t)
  open()
  const settled = Promise.all(['a', 'b', 'c'].map(send))
  assert.deepEqual(channel.sent, ['a'])
  for (const tag of [1, 2]) {
    channel.answer(tag, false)
    assert.equal(channel.sent.length, tag, 'not before a pause')
    t.mock.timers.tick(50)
  }
  assert.deepEqual(channel.sent, ['a', 'a', 'a'])
  channel.answer(3, true)
  assert.deepEqual(channel.sent, ['a', 'a', 'a', 'b', 'c'])
  for (const tag of [4, 5]) channel.answer(tag, true)
  assert.deepEqual(await settled, ['confirmed', 'confirmed', 'confirmed'])
})

test('a nack behind the first answer, or long after the beginning, is told', async (t) => {
  const { outflow, channel, open, send } = start(t)
  open()
  const settled = Promise.all(['a', 'b'].map(send))
  channel.answer(1, true)
  channel.answer(2, false)
  assert.deepEqual(await settled, ['confirmed', 'PUBLISH_NACKED'])
  outflow.lost(undefined)
  const { now } = performance
  t.mock.method(performance, 'now', () => now.call(performance))
  open()
  const late = send('c')
  t.mock.method(performance, 'now', () => now.call(performance) + 60_000)
  channel.answer(1, false)
  assert.equal(await late, 'PUBLISH_NACKED')
})

test('a channel that is lost while a queue is started costs no publish, and no order', async (t) => {
  const { outflow, channel, open, send } = start(t)
  open()
  const settled = Promise.all(['a', 'b'].map(send))
  channel.answer(1, false)
  outflow.lost(undefined)
  open()
  assert.deepEqual(channel.sent, ['a', 'a'])
  channel.answer(1, true)
  channel.answer(2, true)
  assert.deepEqual(channel.sent, ['a', 'a', 'b'])
  assert.deepEqual(await settled, ['confirmed', 'confirmed'])
})
