import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { placeFor } from './fixtures/backstory.ts'

test('the examples of docs/replay/json.md print what is in the files', async (t) => {
  const place = placeFor(t, 'amqp://127.0.0.1:1')
  const page = readFileSync(fileURLToPath(new URL('../docs/replay/json.md', import.meta.url)), 'utf8')
  const [, example] = /```sh\n([\s\S]*?)```/.exec(page)!
  const commands = example!.trimEnd().split('\n')
  const line = (id: string, type: string) => `{"id":"${id}","type":"${type}"}\n`
  writeFileSync(join(place.folder, 'orders.jsonl'), line('1', 'order.placed') + line('2', 'order.paid'))
  for (const [month, ids] of [
    ['10', ['3', '4']],
    ['9', ['5']],
  ] as const) {
    mkdirSync(join(place.folder, `logs/2026-${month}`), { recursive: true })
    const text = `[${ids.map((id) => line(id, 'order.paid')).join(',')}, ${line('0', 'order.placed')}]`
    writeFileSync(join(place.folder, `logs/2026-${month}/orders.json.gz`), gzipSync(text))
  }
  const printed: string[][] = []
  for (const command of commands) {
    const { code, stdout, stderr } = await place.shell(command)
    assert.equal(code, 0, stderr)
    printed.push(
      stdout
        .trimEnd()
        .split('\n')
        .map((one) => JSON.parse(one).id),
    )
  }
  assert.deepEqual(printed, [
    ['1', '2'],
    ['5', '3', '4'],
    ['1', '2'],
  ])
})
