import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Item } from './attribute-value.ts'
import { Pages, type Progress, progressBehind } from './pages.ts'
import { readToken, writeToken } from './read-token.ts'

test('behind any item of any page the rest is read in the same order, once', async () => {
  const counts = fc.array(fc.nat(9), { minLength: 1, maxLength: 6 })
  const atOnce = fc.integer({ min: 1, max: 6 })
  const size = fc.integer({ min: 1, max: 4 })
  await fc.assert(
    fc.asyncProperty(counts, atOnce, size, fc.nat(), async (parts, most, items, at) => {
      const all = await readAll(parts, { atOnce: most, size: items }, begin)
      const total = parts.reduce((sum, count) => sum + count, 0)
      assert.equal(new Set(all.map(({ id }) => id)).size, total)
      assert.deepEqual(
        all.map(({ position }) => position),
        all.map((_, n) => n + 1),
      )
      if (total === 0) return
      const behind = at % total
      const from = readToken('of', all[behind]!.token)
      assert.deepEqual(await readAll(parts, { atOnce: most, size: items }, from), all.slice(behind + 1))
    }),
    { numRuns: 500 },
  )
})

test('a page is read when it is asked for, with those of the parts beside it, and no other', async () => {
  const asked: number[] = []
  const pages = new Pages({
    parts: 5,
    atOnce: 2,
    from: begin,
    ask: async ({ part }) => {
      asked.push(part)
      return { items: [itemOf(`${part}-0`)], lastKey: undefined }
    },
  })
  assert.deepEqual(asked, [])
  for (const expected of [
    [0, 1],
    [0, 1],
    [0, 1, 2, 3],
    [0, 1, 2, 3],
    [0, 1, 2, 3, 4],
  ]) {
    await pages.next()
    await new Promise(setImmediate)
    assert.deepEqual(asked, expected)
  }
})

test('a part that fails is told when its turn comes, and a reader that goes away hears nothing', async () => {
  const pages = new Pages({
    parts: 2,
    atOnce: 2,
    from: begin,
    ask: async ({ part }) => {
      if (part === 1) throw new Error('away')
      return { items: [itemOf('0-0')], lastKey: undefined }
    },
  })
  assert.equal((await pages.next())?.items.length, 1)
  await assert.rejects(pages.next(), /away/)
})

const begin: Progress = { position: 0, begun: 0, open: [] }

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
    ask: async ({ part, key, left = size }) => {
      const begin = key === undefined ? 0 : Number(key.id!.S!.split('-')[1]) + 1
      const end = Math.min(begin + left, counts[part]!)
      const items = Array.from({ length: end - begin }, (_, n) => itemOf(`${part}-${begin + n}`))
      // As DynamoDB does, which says so only with the next page, that it was the last.
      const isMore = end < counts[part]! || (items.length === left && part % 2 === 0)
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
