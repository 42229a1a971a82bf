/**
 * What two processes of one consumer on one PostgreSQL store take longer to get over: a freeze, an end in
 * order, one kill after the other.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConsumerStatus } from '../../index.ts'
import { startFlow } from '../fixtures/flow.ts'
import { ownPostgres, testPostgres } from '../fixtures/postgres.ts'
import { assertEqualInTheEnd, newPlace, startInstance } from '../fixtures/postgres-instances.ts'

const perSecond = 150

test('when the working process is stopped in order, the other goes on at once', async (t) => {
  const place = await newPlace(t, await testPostgres(t))
  const flow = startFlow({ ...place, perSecond })
  const first = startInstance(t, place)
  await first.until('applies live events', ({ live }) => live > 100)
  const second = startInstance(t, place)
  await second.until('stands by', ({ waitingFor }) => waitingFor === 'store')
  assert.equal(await first.stop(), 0)
  const stoppedAt = performance.now()
  await second.until('has the store', ({ waitingFor }) => waitingFor !== 'store')
  assert.ok(performance.now() - stoppedAt < 4_500, 'it did not wait for the lease to run out')
  await assertEqualInTheEnd(place, flow, [first.pid, second.pid])
})

test('a process that is frozen past its lease and wakes up again writes nothing more, and stands by', async (t) => {
  const place = await newPlace(t, await testPostgres(t))
  const flow = startFlow({ ...place, perSecond })
  const first = startInstance(t, place)
  await first.until('applies live events', ({ live }) => live > 100)
  const second = startInstance(t, place)
  await second.until('stands by', ({ waitingFor }) => waitingFor === 'store')
  first.signal('SIGSTOP')
  await second.until('takes over', ({ waitingFor, cursor }) => waitingFor !== 'store' && cursor > 0)
  first.signal('SIGCONT')
  await first.until('stands by', ({ waitingFor }) => waitingFor === 'store')
  await assertEqualInTheEnd(place, flow, [first.pid, second.pid])
  assert.equal(first.hasEnded, false)
})

test('a process that is frozen for good is followed, as soon as RabbitMQ has given it up too', async (t) => {
  const place = await newPlace(t, await testPostgres(t))
  const flow = startFlow({ ...place, perSecond })
  const first = startInstance(t, place)
  await first.until('applies live events', ({ live }) => live > 100)
  const second = startInstance(t, place)
  await second.until('stands by', ({ waitingFor }) => waitingFor === 'store')
  first.signal('SIGSTOP')
  await second.until('takes over', ({ waitingFor, cursor }) => waitingFor !== 'store' && cursor > 0)
  await assertEqualInTheEnd(place, flow, [first.pid, second.pid])
})

test('instances and PostgreSQL killed one after the other in mid-flow cost nothing', async (t) => {
  const server = await ownPostgres(t)
  const place = await newPlace(t, server.url)
  const flow = startFlow({ ...place, perSecond })
  const instances = [startInstance(t, place), startInstance(t, place)]
  for (let applied = 100; applied <= 400; applied += 100) {
    const goesOn = ({ waitingFor, live }: ConsumerStatus) => waitingFor !== 'store' && live > applied
    const holder = await Promise.race(
      instances.map(async (one) => {
        await one.until('goes on', goesOn)
        return one
      }),
    )
    await server.kill()
    await holder.kill()
    await server.start()
    instances[instances.indexOf(holder)] = startInstance(t, place)
  }
  await assertEqualInTheEnd(place, flow)
})
