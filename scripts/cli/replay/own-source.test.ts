import assert from 'node:assert/strict'
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { runCli, tempFolder } from '../run-cli.fixture.ts'

const text = '{"id":"1","type":"order.placed"}\n'

function place(t: TestContext) {
  const cwd = tempFolder(t)
  writeFileSync(join(cwd, 'in.json'), text)
  symlinkSync('in.json', join(cwd, 'link.json'))
  return {
    run: (...args: string[]) => runCli(['replay', '--from', 'in.json', ...args], { cwd }),
    file: (name: string) => join(cwd, name),
  }
}

for (const name of ['in.json', './x/../in.json', 'link.json']) {
  test(`what a replay reads is not what it writes: ${name}`, async (t) => {
    const { run, file } = place(t)
    const { code, stderr } = await run('--to', `files:${name}`, '--to-option', 'overwrite=true')
    assert.equal(code, 2, stderr)
    assert.match(stderr, /^REPLAY_PLAN_INVALID: rules\.0\.to: .* is what the replay reads/)
    assert.equal(readFileSync(file('in.json'), 'utf8'), text)
  })

  test(`a report is not written over what is none, such as the source: ${name}`, async (t) => {
    const { run, file } = place(t)
    const { code, stderr } = await run('--to', 'files:out.jsonl', '--report', name)
    assert.equal(code, 2, stderr)
    assert.match(stderr, /^CLI_USAGE: --report \S+ is there already, and is no report/)
    assert.equal(readFileSync(file('in.json'), 'utf8'), text)
    assert.ok(!existsSync(file('out.jsonl')))
  })
}

test('a report is written over an earlier one, and over an empty file', async (t) => {
  const { run, file } = place(t)
  for (const name of ['r.json', 'r.xml']) writeFileSync(file(name), '')
  for (const _ of [1, 2]) {
    const { code, stderr } = await run('--to', 'print', '--report', 'r.json', '--report', 'r.xml')
    assert.equal(code, 0, stderr)
  }
})
