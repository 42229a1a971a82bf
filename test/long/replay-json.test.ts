/** A replay over files of JSON: memory that does not grow with them, however they are written. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { dearOrders, leastPrice, writeOrders } from '../../scripts/bench/order-lines.ts'
import { placeFor } from '../fixtures/backstory.ts'

const few = 200_000
const many = 2_000_000
const limitBytes = 200_000_000

for (const as of ['lines', 'array'] as const) {
  test(`${many} events as ${as} take no more memory than ${few}`, async (t) => {
    const place = placeFor(t, 'amqp://127.0.0.1:1')
    const peaks: number[] = []
    for (const events of [few, many]) {
      const file = join(place.folder, 'orders.json')
      await writeOrders(file, { events, as })
      const where = `{"data":{"price":[{"numeric":[">=",${leastPrice}]}]}}`
      const { code, stderr } = await place.run(
        `replay --from orders.json --where ${where} --to print --dry-run --report report.json`,
      )
      assert.equal(code, 0, stderr)
      const report = JSON.parse(readFileSync(join(place.folder, 'report.json'), 'utf8'))
      assert.deepEqual([report.read, report.picked, report.unreadable], [events, dearOrders(events), 0])
      peaks.push(report.peakMemoryBytes)
      t.diagnostic(
        `${events} events: ${Math.round(report.peakMemoryBytes / 1e6)} MB, ${Math.round(report.eventsPerSecond)} events/s`,
      )
      rmSync(file)
    }
    const [ofFew, ofMany] = peaks as [number, number]
    assert.ok(ofMany <= ofFew * 1.1, `${ofMany} bytes for ${many} events, ${ofFew} for ${few}`)
    assert.ok(ofMany < limitBytes, `${ofMany} bytes`)
  })
}
