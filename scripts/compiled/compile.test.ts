import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { compileSources } from './compile.ts'

const root = join(import.meta.dirname, '../..')

test('a process runs what was compiled, under the URL of its source', async (t) => {
  const sources = await compiled(t)
  const register = fileURLToPath(sources.loader)
  writeFileSync(join(register, '../hook.js'), 'export const url = import.meta.url', { flag: 'a' })
  const hook = join(root, 'scripts/compiled/hook.ts')
  const { stdout } = run(t, sources.loader, `console.log((await import('${hook}')).url)`)
  assert.equal(stdout, `file://${hook}\n`)
})

test('a module that was written later runs too, and its stack leads to the line in it', async (t) => {
  const { loader } = await compiled(t)
  const { stderr } = run(t, loader, 'interface None {}\n\nthrow new Error("third" satisfies string)\n')
  assert.match(stderr, /Error: third\n {4}at .*program\.ts:3:7\)?\n/)
})

test('the public names are the sources', async (t) => {
  const { loader } = await compiled(t)
  const { stdout } = run(t, loader, `console.log(import.meta.resolve('backstory/config'))`)
  assert.equal(stdout, `file://${join(root, 'scripts/cli/config.ts')}\n`)
})

test('what was compiled is gone when it is removed', async (t) => {
  const { loader, remove } = await compiled(t)
  assert.ok(existsSync(fileURLToPath(loader)))
  remove()
  assert.ok(!existsSync(fileURLToPath(loader)))
})

test('a source that is no TypeScript fails what loads it, with its place, and nothing else', async (t) => {
  const folder = folderFor(t)
  mkdirSync(join(folder, 'node_modules'))
  writeFileSync(join(folder, 'index.ts'), 'const = 1')
  const { remove } = await compileSources({ root: folder, folders: [] })
  remove()
  const { loader } = await compiled(t)
  assert.match(run(t, loader, 'const = 1').stderr, /program\.ts:1:6/)
})

async function compiled(t: TestContext) {
  const sources = await compileSources({ root, folders: ['scripts/compiled'] })
  t.after(() => sources.remove())
  return sources
}

function run(t: TestContext, loader: string, program: string) {
  const file = join(folderFor(t), 'program.ts')
  writeFileSync(file, program)
  return spawnSync(process.execPath, ['--import', loader, file], { encoding: 'utf8' })
}

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'backstory-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
