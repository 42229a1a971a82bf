import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { compilePattern } from './pattern.ts'

const repository = join(import.meta.dirname, '../..')
const page = readFileSync(join(repository, 'docs/patterns.md'), 'utf8')

/** The cells of all rows that hold JSON: pattern, what matches, what does not. */
const rows = page
  .slice(page.indexOf('## Operators'), page.indexOf('## Mistakes'))
  .split('\n')
  .filter((line) => line.startsWith('|') && line.includes('`'))
  .map((line) => line.split(' | ').slice(-3).map(jsonsOf))

test('every example in the tables of docs/patterns.md matches or does not, as it stands there', () => {
  assert.ok(rows.length > 20)
  for (const [patterns, matching, others] of rows) {
    assert.equal(patterns!.length, 1)
    assert.ok(matching!.length > 0 && others!.length > 0)
    const [pattern] = patterns!
    // A list is that of the field `a`.
    const isField = Array.isArray(pattern)
    const compiled = compilePattern(isField ? { a: pattern } : pattern)
    for (const [events, expected] of [
      [matching!, true],
      [others!, false],
    ] as const) {
      for (const event of events) {
        const given = `${JSON.stringify(pattern)} ${JSON.stringify(event)}`
        assert.equal(compiled.matches(isField ? { a: event } : event), expected, given)
      }
    }
  }
})

test('the program in docs/patterns.md prints what the page says', async (t) => {
  const [, program] = /```ts\n([\s\S]*?)```/.exec(page)!
  const folder = await mkdtemp(join(tmpdir(), 'backstory-patterns-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'example.mts'), program!)
  const args = ['--import', import.meta.resolve('tsx'), 'example.mts']
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: folder,
    env: { ...process.env, TSX_TSCONFIG_PATH: join(repository, 'tsconfig.json') },
    timeout: 60_000,
  })
  assert.equal(stdout, 'true\n[ 0, 1 ]\n')
})

function jsonsOf(cell: string): readonly unknown[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, json]) => JSON.parse(json!) as unknown)
}
