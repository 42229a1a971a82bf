import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { jsonLogger } from './json-logger.ts'
import { peopleLogger } from './logger.ts'
import { Screen } from './screen.ts'

function screenOf(options: { isTTY?: boolean; env?: Record<string, string> } = {}) {
  const stderr = Object.assign(new PassThrough(), { isTTY: options.isTTY ?? false, columns: 80 })
  return { screen: new Screen({ stderr, env: options.env ?? {} }), text: () => String(stderr.read() ?? '') }
}

test('a broker that is away is told about once in five seconds', () => {
  const { screen, text } = screenOf()
  let now = 0
  const logger = peopleLogger({ screen, now: () => now })
  for (now = 0; now < 10_000; now += 1_000) {
    logger.warn('broker.unreachable', { address: 'amqp://x', error: 'ECONNREFUSED', retryMs: 1_000 })
  }
  const line = 'RabbitMQ at amqp://x does not answer (ECONNREFUSED); trying again until it does\n'
  assert.equal(text(), line.repeat(2))
})

test('what ends the command is left to the line that it ends with', () => {
  const { screen, text } = screenOf()
  const logger = peopleLogger({ screen })
  for (const event of ['recorder.failed', 'consumer.failed', 'publisher.failed', 'handler.gave-up']) {
    logger.error(event, { error: 'x' })
  }
  assert.equal(text(), '')
})

test('an event without a sentence is told with its fields, debug ones where asked for', () => {
  const { screen, text } = screenOf()
  peopleLogger({ screen }).debug('some.event', { a: 1 })
  assert.equal(text(), '')
  peopleLogger({ screen, verbose: true }).debug('some.event', { a: 1, b: 'two', c: undefined })
  assert.equal(text(), 'some.event a=1 b=two\n')
})

test('control characters in a field cannot reach the terminal', () => {
  const { screen, text } = screenOf()
  peopleLogger({ screen }).warn('line.rejected', { line: 1, error: '\u001b[2Jgone\nnext' })
  assert.equal(text(), 'Line 1: \\x1b[2Jgone\\nnext\n')
})

test('as JSON it is one object a line, debug ones where asked for', () => {
  const { screen, text } = screenOf()
  const before = Date.now()
  jsonLogger({ screen }).debug('some.event')
  jsonLogger({ screen }).info('consumer.live', { consumer: 'ship\nping', cursor: 5, error: undefined })
  const [line, ...more] = text().trimEnd().split('\n')
  assert.deepEqual(more, [])
  const { time, ...rest } = JSON.parse(line!) as Record<string, string>
  assert.ok(Date.parse(time!) >= before && time!.endsWith('Z'))
  assert.deepEqual(rest, { level: 'info', event: 'consumer.live', consumer: 'ship\nping', cursor: 5 })
  jsonLogger({ screen, verbose: true }).debug('some.event')
  assert.match(text(), /^\{"level":"debug","time":"[^"]+","event":"some.event"\}\n$/)
})

test('colours are for terminals, as NO_COLOR and FORCE_COLOR say', () => {
  const painted = (options: Parameters<typeof screenOf>[0]) =>
    screenOf(options).screen.paint('red', 'x') !== 'x'
  assert.equal(painted({ isTTY: true }), true)
  assert.equal(painted({ isTTY: false }), false)
  assert.equal(painted({ isTTY: true, env: { NO_COLOR: '1' } }), false)
  assert.equal(painted({ isTTY: true, env: { NO_COLOR: '' } }), true)
  assert.equal(painted({ isTTY: true, env: { TERM: 'dumb' } }), false)
  assert.equal(painted({ isTTY: false, env: { FORCE_COLOR: '1' } }), true)
  assert.equal(painted({ isTTY: true, env: { FORCE_COLOR: '0' } }), false)
  assert.equal(painted({ isTTY: false, env: { FORCE_COLOR: '1', NO_COLOR: '1' } }), true)
})

test('a line stands above the status line, which is drawn again', () => {
  const { screen, text } = screenOf({ isTTY: true })
  screen.status('half')
  screen.line('word')
  screen.status('')
  assert.equal(text(), 'half\r\x1b[2Kword\nhalf\r\x1b[2K')
})

test('without a terminal there is no status line', () => {
  const { screen, text } = screenOf()
  screen.status('half')
  screen.line('word')
  assert.equal(text(), 'word\n')
})
