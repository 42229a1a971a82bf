/**
 * Chaos runs with fixed seeds: ours holds, and deliberately broken builds are caught by the check that is
 * there for them. `npm run chaos` runs them longer, and with other seeds.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { CheckName } from '../../scripts/chaos/checks.ts'
import type { ChaosReport } from '../../scripts/chaos/run.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

for (const nodes of [1, 3]) {
  test(`chaos on ${nodes} node(s): nothing is lost, nothing twice, all in order`, async (t) => {
    const { code, report } = await chaos(t, `--seed 1 --seconds 25 --nodes ${nodes}`)
    const failed = Object.entries(report.checks).filter(([, { ok }]) => !ok)
    assert.deepEqual(failed, [], `Logs, ledgers and stores: ${report.folder}`)
    assert.equal(code, 0)
    assert.equal(report.nodes, nodes)
    assert.ok(report.events > 1_000, `${report.events} events`)
    assert.ok(report.faults.length > 10)
    // A run that holds leaves nothing behind.
    assert.equal(report.folder, undefined)
  })
}

/** Any of them: which one is first depends on where the faults strike. */
const caught: readonly [broken: string, by: readonly CheckName[]][] = [
  ['audit', ['certificate']],
  ['inbox', ['once', 'certificate']],
  ['resend', ['confirmed-once']],
  ['resend-order', ['history-order']],
]

for (const [broken, by] of caught) {
  test(`chaos catches the broken build ${broken} by ${by.join(' or ')}`, async (t) => {
    const { code, report } = await chaos(t, `--seed 1 --seconds 12 --settle-seconds 8 --break ${broken}`)
    assert.equal(code, 1)
    assert.equal(report.broken, broken)
    assert.ok(by.some((name) => !report.checks[name].ok))
  })
}

async function chaos(t: TestContext, line: string): Promise<{ code: number; report: ChaosReport }> {
  const args = [...process.execArgv, 'scripts/chaos.ts', '--json', ...line.split(' ')]
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGTERM'))
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (data) => {
    stdout += String(data)
  })
  child.stderr.on('data', (data) => {
    stderr += String(data)
  })
  const [code] = (await once(child, 'close')) as [number]
  assert.ok(stdout.startsWith('{'), stderr)
  const report = JSON.parse(stdout) as ChaosReport
  return { code, report }
}
