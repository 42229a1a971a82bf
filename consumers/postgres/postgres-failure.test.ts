import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageEvent, toMessage } from '../../events/index.ts'
import { HandlerFailure } from '../handler-failure.ts'
import { storeFailure } from './postgres-failure.ts'

const url = 'postgres://sales:secret@db.example:5432/sales?sslmode=require'
const message = toMessage({ type: 'order.placed', data: {} }, { exchange: 'orders', source: '/sales' })
const event = new MessageEvent(
  { id: '1', source: '/sales', type: 'order.placed', subject: undefined },
  message,
)

/** An error as pg gives it. */
function sqlError(code: string): Error {
  return Object.assign(new Error(`state ${code}`), { code, severity: 'ERROR' })
}

const failure = (error: unknown) => storeFailure(error, url) as Error & { code?: unknown }

test('a server that ends, or a deadlock, is the store’s trouble, in a handler too', () => {
  const lost = new Error('Connection terminated unexpectedly')
  const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
  const states = ['57P01', '57P03', '08006', '53100', '53300', '40001', '40P01', '25006'].map(sqlError)
  for (const error of [lost, refused, ...states]) {
    assert.equal(failure(error).code, 'CONSUMER_STORE_UNAVAILABLE', error.message)
    const inHandler = new HandlerFailure(error, 3, event)
    assert.equal(failure(inHandler).code, 'CONSUMER_STORE_UNAVAILABLE', error.message)
  }
})

test('what a handler got wrong stays the handler’s', () => {
  for (const code of ['23505', '22012', '42501', '42P01', '57014', '08P01', 'ERR_INVALID_ARG_TYPE', 'E1']) {
    const inHandler = new HandlerFailure(sqlError(code), 0, event)
    assert.equal(failure(inHandler), inHandler, code)
  }
  const mistake = new HandlerFailure('no error at all', 0, event)
  assert.equal(failure(mistake), mistake)
})

test('an error names the database, and neither user nor password', () => {
  for (const code of ['57P01', '28P01', '3D000']) {
    const { message } = failure(sqlError(code))
    assert.match(message, /^postgres:\/\/db\.example:5432\/sales /)
    assert.doesNotMatch(message, /secret|sales:|sslmode/)
  }
})
