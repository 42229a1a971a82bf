/** docs/replay/recipes.md, run as it stands. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { installByApt, mayInstallByApt } from '../scripts/services/apt.ts'
import { placeFor } from './fixtures/backstory.ts'
import { testBroker } from './fixtures/broker.ts'
import { uniqueName } from './fixtures/names.ts'

const recipes = readFileSync(join(import.meta.dirname, '../docs/replay/recipes.md'), 'utf8')

test('every recipe of a replay prints what stands below it', async (t) => {
  for (const tool of ['jq', 'sqlite3'] as const) {
    if (spawnSync(tool, ['--version']).status === 0) continue
    if (!mayInstallByApt()) return t.skip(`${tool} is not installed`)
    await installByApt(tool, { say: t.diagnostic.bind(t) })
  }
  const place = placeFor(t, await testBroker())
  const exchange = uniqueName()
  const [, orders] = /```json\n([\s\S]*?)```/.exec(recipes)!
  writeFileSync(join(place.folder, 'orders.jsonl'), orders!)
  const steps = [...recipes.matchAll(/## (.*)\n[\s\S]*?```sh\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/g)]
  assert.equal(steps.length, recipes.split('\n## ').length - 1)
  for (const [, title, commands, expected] of steps) {
    const { stdout, stderr } = await place.shell(commands!.replaceAll('cars', exchange))
    assert.equal(stdout, expected, `${title}\n${stderr}`)
  }
})
