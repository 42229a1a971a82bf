import { gzipSync } from 'node:zlib'
import { sourceConformance } from '../../conformance/index.ts'
import { folderWith, jsonSource, lines, numbered } from './json.fixture.ts'

const orders = numbered(400).map((order) => ({ ...order, name: 'Möbel', note: 'n'.repeat(2_000) }))

const forms: Readonly<Record<string, Readonly<Record<string, string | Buffer>>>> = {
  lines: { 'orders.jsonl': lines(...orders) },
  'an array': { 'orders.json': JSON.stringify(orders) },
  'indented objects': {
    'orders.json': orders.map((order) => JSON.stringify(order, undefined, 2)).join('\n'),
  },
  'several files': {
    '1.json.gz': gzipSync(JSON.stringify(orders.slice(0, 190))),
    '2.jsonl': `${lines(...orders.slice(190, 398))}oops\n`,
    '3.json': '[{"id":"399"}',
  },
}

for (const [form, files] of Object.entries(forms)) {
  // The last file ends within its array, which is an event that cannot be read; so is the line before.
  sourceConformance(`${form} of JSON`, (t) => {
    const { folder } = folderWith(t, files)
    return {
      events: form === 'several files' ? 401 : 400,
      create: () => jsonSource('*', { cwd: folder }),
      createAway: () => jsonSource('none.jsonl', { cwd: folder }),
    }
  })
}
