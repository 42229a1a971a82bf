import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { accepts, drawPort, isFree, listening } from './ports.ts'

test('ports that one process draws differ, and are free', async () => {
  const ports = await Promise.all(Array.from({ length: 20 }, drawPort))
  assert.equal(new Set(ports).size, ports.length)
  assert.ok((await Promise.all(ports.map(isFree))).every(Boolean))
})

test('a port on which something listens is not free, and accepts', async (t) => {
  const port = await drawPort()
  assert.equal(await accepts(port), false)
  const waiting = listening(port, { signal: AbortSignal.timeout(10_000) })
  const server = createServer().listen(port, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  await waiting
  assert.equal(await isFree(port), false)
  assert.ok(await accepts(port))
})
