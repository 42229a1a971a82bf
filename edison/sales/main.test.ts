import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const app = fileURLToPath(new URL('./main.ts', import.meta.url))

function run(...args: string[]) {
  const env = { ...process.env, BACKSTORY_BROKER: '' }
  const { status, stdout, stderr } = spawnSync(process.execPath, [...process.execArgv, app, ...args], {
    env,
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

test('--help tells the options and the exit codes', () => {
  const { status, stdout, stderr } = run('--help')
  assert.equal(status, 0)
  assert.equal(stderr, '')
  for (const told of ['--from-line', '--rate', 'Exit codes:', 'Examples:'])
    assert.ok(stdout.includes(told), told)
})

test('a missing book is one line with its code, before any broker is asked', () => {
  assert.deepEqual(run('/nowhere/orders.jsonl', '--broker', 'amqp://127.0.0.1:1'), {
    status: 1,
    stdout: '',
    stderr: 'BOOK_NOT_FOUND: There is no order book /nowhere/orders.jsonl; check the path\n',
  })
})

const mistakes: [title: string, args: string[], said: RegExp][] = [
  ['an unknown option', ['--datbase', 'x'], /--datbase/],
  ['a second book', ['a', 'b', '--broker', 'amqp://localhost'], /One order book at a time, not also b/],
  ['no broker', ['a'], /BACKSTORY_BROKER/],
  ['a line that is no number', ['a', '--from-line', 'x'], /--from-line to be a whole number/],
  ['a range that ends before it begins', ['a', '--from-line', '3', '--to-line', '2'], /must not be after/],
]

for (const [title, args, said] of mistakes) {
  test(`${title} is wrong usage`, () => {
    const { status, stdout, stderr } = run(...args)
    assert.equal(status, 2)
    assert.equal(stdout, '')
    assert.match(stderr, said)
    assert.doesNotMatch(stderr, /\n {4}at /)
  })
}
