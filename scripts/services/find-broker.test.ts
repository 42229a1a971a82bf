import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ServiceError } from './errors.ts'
import { type BrokerWay, type Finder, type FoundBroker, firstFound } from './find-broker.ts'

const found = (how: BrokerWay): FoundBroker => ({ url: `amqp://${how}`, how, async close() {} })
const none: Finder = async () => undefined
const failing: Finder = async () => {
  throw new ServiceError('SERVICE_START_FAILED', 'the first one broke')
}
const silent = () => {}

test('the first way that this machine has is taken, and no further one is tried', async () => {
  const later: Finder = async () => assert.fail('asked a later way')
  const broker = await firstFound([none, async () => found('compose'), later], { say: silent })
  assert.equal(broker.how, 'compose')
})

test('a way that fails is told, and the next one taken', async () => {
  const said: string[] = []
  const broker = await firstFound([failing, async () => found('apt')], { say: (line) => said.push(line) })
  assert.equal(broker.how, 'apt')
  assert.deepEqual(said, ['the first one broke'])
})

test('with no way left the error has the commands to type, and the first failure as its cause', async () => {
  await assert.rejects(firstFound([none, failing, none], { say: silent }), (error: unknown) => {
    assert.ok(error instanceof ServiceError)
    assert.equal(error.code, 'SERVICE_NOT_FOUND')
    assert.match(error.message, /^ {4}docker run /m)
    assert.equal((error.cause as ServiceError).code, 'SERVICE_START_FAILED')
    return true
  })
})

test('a named broker that does not let us in is an error, not a reason to take another', async () => {
  const refused: Finder = async () => {
    throw Object.assign(new Error('refused'), { code: 'BROKER_ACCESS_REFUSED' })
  }
  await assert.rejects(firstFound([refused, async () => found('installed')], { say: silent }), {
    code: 'BROKER_ACCESS_REFUSED',
  })
})
