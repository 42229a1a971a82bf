import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { FaultProxy } from './proxy.ts'

test('what is sent arrives, and the answer comes back', async (t) => {
  const { proxy } = await echoBehindProxy(t)
  const socket = await connectTo(t, proxy)
  assert.equal(await ask(socket, 'hello'), 'hello')
})

test('a cut resets the connections there are, at both ends, and takes new ones', async (t) => {
  const { proxy, accepted } = await echoBehindProxy(t)
  const socket = await connectTo(t, proxy)
  await ask(socket, 'hello')
  const ends = [once(socket, 'error'), once(accepted[0]!, 'error')]
  proxy.cut()
  for (const [error] of await Promise.all(ends))
    assert.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET')
  assert.equal(await ask(await connectTo(t, proxy), 'again'), 'again')
})

test('a silent connection stays open and carries nothing, a new one works', async (t) => {
  const { proxy, accepted, received } = await echoBehindProxy(t)
  const socket = await connectTo(t, proxy)
  await ask(socket, 'hello')
  proxy.silence()
  socket.write('lost')
  assert.equal(await ask(await connectTo(t, proxy), 'again'), 'again')
  assert.ok(!received().includes('lost'))
  // Not even that the other end has gone.
  socket.destroy()
  await once(socket, 'close')
  assert.equal(await ask(await connectTo(t, proxy), 'later'), 'later')
  assert.equal(accepted[0]!.destroyed, false)
})

test('a partition takes connections and carries nothing on them until it heals; then they are reset', async (t) => {
  const { proxy, received } = await echoBehindProxy(t)
  proxy.partition()
  const socket = await connectTo(t, proxy)
  socket.write('lost')
  const reset = once(socket, 'error')
  proxy.heal()
  assert.equal(((await reset)[0] as NodeJS.ErrnoException).code, 'ECONNRESET')
  assert.equal(await ask(await connectTo(t, proxy), 'again'), 'again')
  assert.ok(!received().includes('lost'))
})

test('a delay holds every piece back, in both directions, until it heals', async (t) => {
  const { proxy } = await echoBehindProxy(t)
  const socket = await connectTo(t, proxy)
  proxy.delay(30)
  const before = performance.now()
  assert.equal(await ask(socket, 'slow'), 'slow')
  assert.ok(performance.now() - before >= 58)
  proxy.heal()
  assert.equal(await ask(socket, 'fast'), 'fast')
})

async function echoBehindProxy(t: TestContext) {
  const accepted: Socket[] = []
  let text = ''
  const server = createServer((socket) => {
    accepted.push(socket)
    socket.on('data', (data) => {
      text += String(data)
      socket.write(data)
    })
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await FaultProxy.start(`amqp://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.after(() => {
    proxy.close()
    server.close()
    for (const socket of accepted) socket.destroy()
  })
  return { proxy, accepted, received: () => text }
}

async function connectTo(t: TestContext, proxy: FaultProxy): Promise<Socket> {
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1')
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

async function ask(socket: Socket, text: string): Promise<string> {
  const answer = once(socket, 'data')
  socket.write(text)
  return String((await answer)[0])
}
