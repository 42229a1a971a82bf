import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Item } from './attribute-value.ts'
import { Pages, progressBehind } from './pages.ts'
import { type Progress, readToken, writeToken } from './read-token.ts'

test('behind any item of any page all that is left is read, once, whatever the pages are cut like', async () => {
  const parts = fc.array(fc.nat(9), { minLength: 1, maxLength: 6 })
  const cut = fc.record({ atOnce: fc.integer({ min: 1, max: 6 }), size: fc.integer({ min: 1, max: 4 }) })
  await fc.assert(
    fc.asyncProperty(parts, cut, cut, fc.nat(), async (counts, first, second, at) => {
      const all = await readAll(counts, first, begin)
      const total = counts.reduce((sum, count) => sum + count, 0)
      assert.equal(new Set(all.map(({ id }) => id)).size, total)
      assert.deepEqual(
        all.map(({ position }) => position),
        all.map((_, n) => n + 1),
      )
      if (total === 0) return
      const from = readToken('of', all[at % total]!.token)
      const rest = await readAll(counts, second, from)
      const ids = [...all.slice(0, (at % total) + 1), ...rest].map(({ id }) => id)
      assert.deepEqual(ids.sort(), all.map(({ id }) => id).sort())
      assert.equal(rest[0]?.position ?? (at % total) + 2, (at % total) + 2)
      // With the same pages an undisturbed order of parts one by one is kept.
      if (first.atOnce === 1 && second.atOnce === 1)
        assert.deepEqual(
          rest.map(({ id }) => id),
          all.slice((at % total) + 1).map(({ id }) => id),
        )
    }),
    { numRuns: 300 },
  )
})

test('a part that fails is told when its turn comes, and a reader that goes away hears nothing', async () => {
  const pages = new Pages({
    parts: 2,
    atOnce: 2,
    from: begin,
    ask: async (part) => {
      if (part === 1) throw new Error('away')
      return { items: [itemOf('0-0')], lastKey: undefined }
    },
  })
  assert.equal((await pages.next())?.items.length, 1)
  await assert.rejects(pages.next(), /away/)
})

const begin: Progress = { position: 0, begun: 0, open: new Map() }

interface Read {
  readonly id: string
  readonly position: number
  readonly token: string
}

async function readAll(
  counts: readonly number[],
  { atOnce, size }: { atOnce: number; size: number },
  from: Progress,
): Promise<Read[]> {
  const pages = new Pages({
    parts: counts.length,
    atOnce,
    from,
    ask: async (part, after) => {
      const begin = after === undefined ? 0 : Number(after.id!.S!.split('-')[1]) + 1
      const end = Math.min(begin + size, counts[part]!)
      const items = Array.from({ length: end - begin }, (_, n) => itemOf(`${part}-${begin + n}`))
      // As DynamoDB does, which says so only with the next page, that it was the last.
      const isMore = end < counts[part]! || (items.length === size && part % 2 === 0)
      return { items, lastKey: isMore ? items.at(-1) : undefined }
    },
  })
  const read: Read[] = []
  for (let page = await pages.next(); page !== undefined; page = await pages.next()) {
    for (const [at, item] of page.items.entries()) {
      const position = page.before.position + at + 1
      read.push({ id: item.id!.S!, position, token: writeToken('of', progressBehind(page, at, item)) })
    }
  }
  return read
}

function itemOf(id: string): Item {
  return { id: { S: id } }
}
