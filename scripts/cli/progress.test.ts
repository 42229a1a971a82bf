import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { silentLogger } from '../../events/index.ts'
import { barOf, Meter, showProgress, textOf } from './progress.ts'
import { Screen } from './screen.ts'

test('progress tells what is done, how fast, and the time left', () => {
  const pace = { perSecond: 100 }
  assert.equal(
    textOf({ done: 2_500, total: 10_000 }, pace, 'events'),
    '25 %  2,500 of 10,000 events  100/s  1:15 left',
  )
  assert.equal(textOf({ done: 2_500 }, pace, 'events'), '2,500 events  100/s')
  assert.equal(
    textOf({ done: 0, total: 360_000 }, pace, 'events'),
    '0 %  0 of 360,000 events  100/s  1:00:00 left',
  )
  assert.equal(
    textOf({ done: 5, total: 5, note: 'waits for the recorder' }, { perSecond: 0 }, 'events'),
    '100 %  5 of 5 events  waits for the recorder',
  )
})

test('100 % and a full bar mean that all is done', () => {
  const pace = { perSecond: 0 }
  assert.match(barOf({ done: 9_999, total: 10_000 }, pace, 'events'), /^\[#{23}-\] 99 %/)
  assert.match(barOf({ done: 10_000, total: 10_000 }, pace, 'events'), /^\[#{24}\] 100 %/)
  assert.equal(barOf({ done: 0, total: 0 }, pace, 'events'), '0 of 0 events')
})

test('the rate is that of the last seconds, and work that goes on does not count as done now', () => {
  const meter = new Meter(0)
  assert.equal(meter.pace(1_000_000, 100).perSecond, 0)
  assert.equal(meter.pace(1_000_050, 1_100).perSecond, 50)
  for (let at = 2_100; at <= 20_100; at += 1_000) meter.pace(1_000_050, at)
  assert.equal(meter.pace(1_000_050, 21_100).perSecond, 0)
})

test('on a terminal a bar, else a line every ten seconds, or an event where logs are JSON', (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'] })
  const read = () => ({ done: 1, total: 2 })
  const shown = (isTTY: boolean, withLogger: boolean) => {
    const stderr = Object.assign(new PassThrough(), { isTTY, columns: 80 })
    const events: string[] = []
    const logger = { ...silentLogger, info: (event: string) => events.push(event) }
    const screen = new Screen({ stderr, env: {} })
    const end = showProgress({ screen, unit: 'events', read, ...(withLogger && { logger }) })
    t.mock.timers.tick(10_000)
    end()
    t.mock.timers.tick(60_000)
    return { text: String(stderr.read() ?? ''), events }
  }
  assert.equal(shown(true, false).text, `[${'#'.repeat(12)}${'-'.repeat(12)}] 50 %  1 of 2 events\r\x1b[2K`)
  assert.equal(shown(false, false).text, '50 %  1 of 2 events\n')
  assert.deepEqual(shown(false, true), { text: '', events: ['progress'] })
})
