import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RowResult } from './row.ts'
import { type Report, tableOf } from './table.ts'

const rates = (median: number) => ({ median, min: median - 1_000, max: median + 1_000, rounds: [median] })

const replay: RowResult = {
  row: 'replay',
  path: 'replay of the history',
  events: 1_000,
  unit: 'events/s',
  ours: { label: 'consumer', figures: rates(300_000), cpuMicros: 3 },
  peers: [
    {
      label: 'stream',
      target: 3,
      figures: rates(100_000),
      cpuMicros: 9,
      ratio: { ofMedians: 3, medianOfPairs: 2.9, min: 2.8, max: 3.1 },
      excess: 200_000,
      met: true,
    },
    { label: 'JetStream', target: 1.3, notRun: 'install nats-server' },
  ],
}

const report: Report = {
  machine: {
    cpu: 'Some CPU',
    cores: 2,
    memoryGiB: 24,
    system: 'Linux 6 x64',
    node: '20.20.2',
    rabbitmq: '3.10.8',
    sqlite: '3.53.2',
  },
  bodyBytes: 430,
  rounds: 5,
  quick: false,
  rows: [replay],
}

test('the table tells the machine, both rates, the ratio and whether the target is met', () => {
  const lines = tableOf(report).split('\n')
  assert.match(lines[0]!, /^Some CPU, 2 cores, 24 GiB.*Node 20\.20\.2, RabbitMQ 3\.10\.8, SQLite 3\.53\.2$/)
  const [row, , absent] = lines.slice(4)
  assert.match(row!, /^replay of the history, events\/s +300,000 .* 100,000 .* 3\.00 +2\.90 +3\.00 +met$/)
  assert.match(absent!, /JetStream +- +- +1\.30 +not run: install nats-server$/)
})
