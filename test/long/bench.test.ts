import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { testBroker } from '../fixtures/broker.ts'

const run = promisify(execFile)
const bench = join(import.meta.dirname, '../../scripts/bench/bench.ts')

interface Report {
  readonly machine: Readonly<Record<string, unknown>>
  readonly bodyBytes: number
  readonly rounds: number
  readonly quick: boolean
  readonly rows: readonly {
    readonly row: string
    readonly events: number
    readonly ours: Measured
    readonly peers: readonly ((Measured & Compared) | { readonly target: number; readonly notRun: string })[]
  }[]
}

interface Measured {
  readonly label: string
  readonly figures: { readonly median: number; readonly rounds: readonly number[] }
  readonly cpuMicros: number
}

interface Compared {
  readonly target?: number
  readonly ratio: { readonly ofMedians: number; readonly medianOfPairs: number }
  readonly excess: number
  readonly met?: boolean
}

test('a quick bench measures every row beside its peers, and writes only JSON to its standard output', async () => {
  const broker = await testBroker()
  const args = ['--import', 'tsx', bench, '--quick', '--json', '--events', '1000', '--broker', broker]
  const { stdout, stderr } = await run(process.execPath, args, { timeout: 300_000 })
  const { machine, rows, ...report } = JSON.parse(stdout) as Report
  assert.deepEqual(report, { bodyBytes: 430, rounds: 1, quick: true })
  assert.ok(Object.values(machine).every((value) => value !== undefined && value !== ''))
  assert.deepEqual(
    rows.map(({ row, peers }) => [row, peers.map(({ target }) => target)]),
    [
      ['publish', [0.85]],
      ['relay', [0.5]],
      ['record', [0.65, undefined]],
      ['replay', [3, 3, 1.3]],
      ['bootstrap', [0.5]],
      ['bootstrap-postgres', [undefined]],
      ['latency', [3]],
      ['feed', [0.5]],
      ['patterns', [0.83, undefined, undefined, undefined, undefined]],
      ['replay-json', [2, 0.7, undefined]],
    ],
  )
  for (const { row, events, ours, peers } of rows) {
    assert.equal(events, 1_000)
    for (const measured of [ours, ...peers]) {
      if ('notRun' in measured) continue
      assert.equal(measured.figures.rounds.length, 1)
      assert.ok(measured.figures.median > 0 && measured.cpuMicros > 0, measured.label)
    }
    for (const peer of peers) {
      if ('notRun' in peer) assert.match(peer.notRun, /install/)
      else if (peer.target !== undefined) {
        const reached = row === 'latency' ? peer.excess <= peer.target : peer.ratio.ofMedians >= peer.target
        assert.equal(peer.met, reached)
      }
    }
  }
  assert.match(stderr, /round 1: publisher/)
})

test('an option that is wrong is told with the usage, and nothing is measured', async () => {
  for (const args of [['--rows', 'teleport'], ['--rounds', '0'], ['--unknown']]) {
    await assert.rejects(run(process.execPath, ['--import', 'tsx', bench, ...args]), (error: object) => {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, /npm run bench -- \[options\]/)
      return true
    })
  }
})
