/** docs/replay/recipes.md, run as it stands. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { placeFor } from './fixtures/backstory.ts'
import { testBroker } from './fixtures/broker.ts'
import { uniqueName } from './fixtures/names.ts'
import { withoutTools } from './fixtures/tools.ts'

const recipes = readFileSync(join(import.meta.dirname, '../docs/replay/recipes.md'), 'utf8')

test('every recipe of a replay prints what stands below it', async (t) => {
  const skip = await withoutTools(['jq', 'sqlite3'])
  if (skip !== false) return t.skip(skip)
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
