/** The plugins of docs/replay/plugins.md: they hold what a plugin must, and the command loads them. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { action } from '../docs/replay/plugins/folder-action.ts'
import { source } from '../docs/replay/plugins/folder-source.ts'
import { actionConformance, sourceConformance } from '../replay/conformance/index.ts'
import type { Action, Source } from '../replay/index.ts'
import { pluginTarget } from '../replay/plugin-target.fixture.ts'
import { runCli, tempFolder } from '../scripts/cli/run-cli.fixture.ts'

const docs = fileURLToPath(new URL('../docs/replay', import.meta.url))
const plugins = join(docs, 'plugins')

sourceConformance('./folder-source.ts', (t) => {
  const cwd = folderOfEvents(t, 250)
  const target = (folder: string) => pluginTarget('./folder-source.ts', { cwd, options: { folder } })
  return {
    events: 250,
    create: () => source.create(target('events')) as Source,
    createAway: () => source.create(target('none')) as Source,
  }
})

actionConformance('./folder-action.ts', (t) => {
  const cwd = tempFolder(t)
  const target = (folder: string) => pluginTarget('./folder-action.ts', { cwd, options: { folder } })
  writeFileSync(join(cwd, 'file'), '')
  const out = join(cwd, 'out')
  return {
    events: [1, 2, 3, 4].map((n) => ({ id: String(n), subject: `a/${n}` })),
    refused: { id: '5' },
    effects: () =>
      existsSync(out) ? readdirSync(out).map((name) => [name, readFileSync(join(out, name), 'utf8')]) : [],
    create: () => action.create(target('out')) as Action,
    createAway: () => action.create(target('file/out')) as Action,
  }
})

test('the command loads both from files, and what they do is in its report', async (t) => {
  const cwd = folderOfEvents(t, 5)
  for (const name of readdirSync(plugins)) cpSync(join(plugins, name), join(cwd, name))
  const args = [
    ...['replay', '--from', './folder-source.ts', '--from-option', 'folder=events'],
    ...['--to', './folder-action.ts', '--to-option', 'folder=newest'],
  ]
  const dry = await runCli([...args, '--dry-run'], { cwd })
  assert.equal(dry.code, 0, dry.stderr)
  assert.equal(existsSync(join(cwd, 'newest')), false)
  const ran = await runCli(args, { cwd })
  assert.equal(ran.code, 0, ran.stderr)
  assert.deepEqual(readdirSync(join(cwd, 'newest')), ['k0.json', 'k1.json'])
  assert.equal(readFileSync(join(cwd, 'newest', 'k0.json'), 'utf8'), '{"id":"4","subject":"k0"}')
})

test('the documentation shows the plugins as they are', () => {
  const page = readFileSync(join(docs, 'plugins.md'), 'utf8')
  for (const name of ['folder-source.ts', 'folder-action.ts']) {
    assert.ok(page.includes(`\`\`\`ts\n${readFileSync(join(plugins, name), 'utf8')}\`\`\``), name)
  }
})

function folderOfEvents(t: TestContext, count: number): string {
  const cwd = tempFolder(t)
  mkdirSync(join(cwd, 'events'))
  for (let at = 0; at < count; at++) {
    const name = `${String(at).padStart(6, '0')}.json`
    writeFileSync(join(cwd, 'events', name), `${JSON.stringify({ id: String(at), subject: `k${at % 2}` })}\n`)
  }
  return cwd
}
