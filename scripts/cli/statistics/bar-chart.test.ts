import assert from 'node:assert/strict'
import { test } from 'node:test'
import { barChart } from './bar-chart.ts'
import { SizeHistogram } from './size-histogram.ts'

const bars = [
  { label: 'a', value: 80_000 },
  { label: 'long'.repeat(30), value: 40_000 },
  { label: 'few\u001b[31m', value: 1 },
  { label: 'none', value: 0 },
]

test('a chart fits its width, and what there is any of is seen', () => {
  for (const columns of [72, 100, 300]) {
    for (const isPlain of [true, false]) {
      const lines = barChart(bars, { columns, isPlain })
      assert.ok(lines.every(({ length }) => length < columns))
      const lengths = lines.map((line) => (/ {2}([#█▏▎▍▌▋▊▉]*)$/.exec(line)?.[1] ?? '').length)
      assert.equal(lengths[1], Math.round(lengths[0]! / 2))
      assert.deepEqual([lengths[2], lengths[3]], [1, 0])
      assert.match(lines[2]!, /^ {2}few\\x1b\[31m +1 {2}/)
    }
  }
  assert.ok(barChart(bars, { columns: 80, isPlain: true }).every((line) => /^[\x20-\x7e]*$/.test(line)))
})

test('sizes are summed exactly, and a quantile is within 3 %', () => {
  const sizes = new SizeHistogram()
  assert.equal(sizes.summary(), undefined)
  for (let size = 1; size <= 10_000; size++) sizes.add(size)
  const { median, p99, ...exact } = sizes.summary()!
  assert.deepEqual(exact, { total: 50_005_000, min: 1, mean: 5_001, max: 10_000 })
  assert.ok(Math.abs(median / 5_000 - 1) < 0.03, `median ${median}`)
  assert.ok(Math.abs(p99 / 9_900 - 1) < 0.03, `99 % ${p99}`)
  const empty = new SizeHistogram()
  empty.add(0)
  assert.deepEqual(empty.summary(), { total: 0, min: 0, median: 0, mean: 0, p99: 0, max: 0 })
})
