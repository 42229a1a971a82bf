import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLoopback } from './is-loopback.ts'

test('this machine is localhost, 127.0.0.0/8 and ::1, however they are written; any other name is not', () => {
  const here = ['localhost', 'LocalHost', '127.0.0.1', '127.1.2.3', '::1', '[::1]', '[0:0:0:0:0:0:0:1]']
  for (const host of here) assert.ok(isLoopback(host), host)
  const away = ['', 'localhost.example', '128.0.0.1', '127.0.0.1.example', '10.0.0.1', '::2', '[::]', '1']
  for (const host of away) assert.ok(!isLoopback(host), host)
})
