import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { breakNames } from './breaks.ts'
import { BrokenBuild } from './broken-build.ts'

const root = join(import.meta.dirname, '..', '..', '..')

for (const name of breakNames) {
  test(`the broken build ${name} can be made of the sources as they are`, (t) => {
    assert.equal(new BrokenBuild(name, folderFor(t)).nodeArgs.length, 2)
  })
}

test('a process of a broken build loads the broken file, another one ours', (t) => {
  const folder = folderFor(t)
  const program = join(folder, 'program.mts')
  const file = join(root, 'publisher/outflow.ts')
  writeFileSync(program, `import { Outflow } from '${file}'\nconsole.log(String(Outflow.prototype.lost))`)
  const build = new BrokenBuild('resend', join(folder, 'broken'))
  assert.throws(() => build.requireLoaded(), /no process has loaded/)
  const run = (nodeArgs: readonly string[]) =>
    execFileSync(process.execPath, [...process.execArgv, ...nodeArgs, program], {
      cwd: root,
      encoding: 'utf8',
    })
  assert.doesNotMatch(run([]), /of open/)
  assert.throws(() => build.requireLoaded(), /no process has loaded/)
  assert.match(run(build.nodeArgs), /of open/)
  build.requireLoaded()
  assert.ok(!readFileSync(file, 'utf8').includes('lost of open'))
})

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'backstory-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
