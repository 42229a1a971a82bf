import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seller, sourceOf } from './cast.ts'
import { compare, confirmedOnce, orderAndEvent, outOfOrder, Published } from './judge.ts'

const source = '/chaos/publisher-1'
const events = (...ids: string[]) => ids.map((id) => ({ source, id }))

function published(ids: readonly string[], { confirmed = ids, again = [] as readonly string[] } = {}) {
  const account = { begun: ids, confirmed: new Set(confirmed), again: new Set(again) }
  return new Published(new Map([[source, account]]))
}

test('a history that has each confirmed event once, and others that were begun, is right', () => {
  const sent = published(['1', '2', '3', '4'], { confirmed: ['1', '2'] })
  assert.deepEqual(confirmedOnce(events('1', '2', '4'), sent), [])
})

test('a confirmed event that the history lacks, one that it has twice and one that nobody published are found', () => {
  const found = confirmedOnce(events('1', '1', '7'), published(['1', '2']))
  assert.deepEqual(found, [
    { lost: `${source} 2` },
    { recorded: `${source} 1`, times: 2 },
    { neverPublished: `${source} 7` },
  ])
})

test('an event behind a later one of its source is out of order, its repetition is not', () => {
  const sent = published(['1', '2', '3', '4'])
  assert.deepEqual(outOfOrder(events('1', '3', '2', '4', '1'), sent), events('2'))
})

test('another source, another line, and what was refused and published again are in no order', () => {
  const sent = published(['1', '2', '3', '4'], { again: ['2'] })
  const lineOf = ({ id }: { id: string }) => (Number(id) % 2 === 0 ? 'even' : 'odd')
  assert.deepEqual(outOfOrder(events('1', '3', '2', '4'), sent), [])
  assert.deepEqual(outOfOrder(events('2', '4', '1', '3'), published(['1', '2', '3', '4']), { lineOf }), [])
  assert.deepEqual(outOfOrder([{ source: '/other', id: '1' }], sent), [])
})

test('what a consumer lacks, what it alone has and what took effect twice are found', () => {
  assert.deepEqual(compare(events('1', '2', '2', '9'), events('1', '2', '3')), {
    missing: [`${source} 3`],
    unknown: [`${source} 9`],
    twice: [`${source} 2`],
  })
})

test('an order without its event and an event without its order are found', () => {
  const history = [...events('1', '2'), ...['1', '3'].map((id) => ({ source: sourceOf(seller), id }))]
  assert.deepEqual(orderAndEvent(['1', '2'], history), [
    { orderWithoutEvent: '2' },
    { eventWithoutOrder: '3' },
  ])
})
