/** Messages that a client of JavaScript does not send, or would not: none of them stops the recorder. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Options } from 'amqplib'
import { openHistory, startRecorder } from '../index.ts'
import { newExchange } from './fixtures/exchange.ts'
import { plainChannel, plainPublish } from './fixtures/plain.ts'
import { rawPublish } from './fixtures/raw-publish.ts'
import { until } from './fixtures/until.ts'

test('ids that are not UTF-8, of which the client sees nothing but replacements, cost no event', async (t) => {
  const { url, exchange, history } = await newExchange(t)
  await using recorder = startRecorder({ broker: url, exchange, history })
  await recorder.started()
  const channel = await plainChannel(t, url)
  // Such as a UUID of 16 bytes.
  for (const byte of [0xfd, 0xfe, 0xff])
    await rawPublish(channel, exchange, { messageId: Buffer.from([byte]) })
  await until('all are recorded', () => recorder.status.head === 3 || recorder.status.duplicates > 0)
  assert.equal(recorder.status.head, 3)
})

test('a header that is not UTF-8 is recorded, as far as the client can read it', async (t) => {
  const { url, exchange, history } = await newExchange(t)
  await using recorder = startRecorder({ broker: url, exchange, history })
  await recorder.started()
  const header = Buffer.from('latin-1: \xfc', 'latin1')
  await rawPublish(await plainChannel(t, url), exchange, { header, body: Buffer.from('body') })
  await until('it is recorded', () => recorder.status.head === 1)
  const reader = openHistory({ history })
  t.after(() => reader.close())
  const stored = (await reader.at(1))!.message
  assert.equal(stored.properties.headers?.h, 'latin-1: \ufffd')
  assert.equal(stored.body.toString(), 'body')
})

// From about 4,000 on the client's own stack is exhausted.
for (const depth of [100, 2_000]) {
  test(`headers nested ${depth} deep are recorded and read`, async (t) => {
    const { url, exchange, history } = await newExchange(t)
    await using recorder = startRecorder({ broker: url, exchange, history })
    await recorder.started()
    let headers: Record<string, unknown> = { bottom: true }
    for (let level = 0; level < depth; level++) headers = { a: headers }
    await plainPublish(await plainChannel(t, url), exchange, { headers } as Options.Publish)
    await until('it is recorded', () => recorder.status.head === 1, { timeoutMs: 5_000 })
    const reader = openHistory({ history })
    t.after(() => reader.close())
    let found = (await reader.at(1))!.message.properties.headers as Record<string, unknown>
    for (let level = 0; level < depth; level++) found = found.a as Record<string, unknown>
    assert.deepEqual(found, { bottom: true })
  })
}
