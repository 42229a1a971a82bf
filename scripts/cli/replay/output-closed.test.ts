import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runCli, tempFolder } from '../run-cli.fixture.ts'

const events = 3_000

function place(t: TestContext) {
  const cwd = tempFolder(t)
  const lines = Array.from({ length: events }, (_, n) => JSON.stringify({ id: `${n}`, type: 'order.placed' }))
  writeFileSync(join(cwd, 'in.jsonl'), `${lines.join('\n')}\n`)
  return {
    cwd,
    runs: () =>
      existsSync(join(cwd, '.backstory/replays')) ? readdirSync(join(cwd, '.backstory/replays')) : [],
    reported: () => JSON.parse(readFileSync(join(cwd, 'r.json'), 'utf8')),
  }
}

/** A process whose standard output nobody reads. */
async function replayUnread(t: TestContext, cwd: string, args: readonly string[]) {
  const entry = fileURLToPath(new URL('../../backstory.ts', import.meta.url))
  const command = ['--import', import.meta.resolve('tsx'), entry, 'replay', '--report', 'r.json', ...args]
  const child = spawn(process.execPath, command, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  child.stdout.destroy()
  let stderr = ''
  child.stderr.on('data', (data) => {
    stderr += String(data)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stderr }
}

test('a run with failures ends with 1, whether its report is read or not', async (t) => {
  const { cwd, reported, runs } = place(t)
  writeFileSync(join(cwd, 'in.jsonl'), '{"id":"1"}\nno JSON\n')
  const { code, stderr } = await replayUnread(t, cwd, ['--from', 'in.jsonl', '--to', 'files:out.jsonl'])
  assert.equal(code, 1, stderr)
  assert.deepEqual([reported().ended, reported().failed, runs().length], ['done', 1, 1])
})

test('a run that only prints ends with 0 where nobody reads it any more, and says nothing of it', async (t) => {
  const { cwd, reported } = place(t)
  const { code, stderr } = await replayUnread(t, cwd, ['--from', 'in.jsonl', '--to', 'print'])
  assert.equal(code, 0, stderr)
  assert.match(stderr, /^Run \S+ Where it is killed: \S+ replay --resume \S+\n$/)
  assert.deepEqual([reported().ended, reported().exitCode], ['interrupted', 0])
})

test('a run that does more than print ends with 141, and goes on from there', async (t) => {
  const { cwd, reported, runs } = place(t)
  const rules = [{ to: 'print' }, { to: 'files:out.jsonl' }]
  writeFileSync(join(cwd, 'plan.json'), JSON.stringify({ from: 'in.jsonl', rules }))
  const { code, stderr } = await replayUnread(t, cwd, ['--plan', 'plan.json'])
  assert.equal(code, 141, stderr)
  assert.match(stderr, /go on.*backstory replay --resume/)
  assert.deepEqual([reported().ended, reported().exitCode], ['interrupted', 141])
  assert.equal(runs().length, 1)

  const resumed = await runCli(['replay', '--resume', 'last'], { cwd })
  assert.equal(resumed.code, 0, resumed.stderr)
  assert.equal(resumed.stdout.trimEnd().split('\n').length, events)
  const written = readFileSync(join(cwd, 'out.jsonl'))
  assert.ok(written.equals(readFileSync(join(cwd, 'in.jsonl'))))
  assert.deepEqual(runs(), [])
})
