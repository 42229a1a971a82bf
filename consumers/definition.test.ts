import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineEvents, eventType } from '../events/index.ts'
import type { PostgresClient } from '../history/index.ts'
import { defineConsumer } from './definition.ts'

const events = defineEvents({ placed: eventType<{ price: number }>(), sent: eventType<{ to: string }>() })

// The compiler is the test: each argument has its type, without a word of ours.
test('handlers get the types of their events and of what prepare returns, in one part and in two', () => {
  const sqlite = defineConsumer({
    name: 'shipping',
    exchange: 'orders',
    events,
    prepare: (database) => ({ insert: database.prepare('INSERT INTO orders VALUES (?)') }),
    on: {
      placed: {
        apply: ({ data }, { tx }) => tx.insert.run(data.price.toFixed()),
        react: ({ data }) => data.price.toFixed(),
      },
      sent: ({ data }, { tx }) => tx.insert.run(data.to.trim()),
      '*': { apply: ({ id }, { tx }) => tx.insert.run(id.trim()) },
    },
  })
  const postgres = defineConsumer({
    name: 'shipping',
    exchange: 'orders',
    events,
    prepare: async (database: PostgresClient) => database,
    on: {
      placed: { apply: async ({ data }, { tx }) => await tx.query('SELECT $1', [data.price.toFixed()]) },
    },
  })
  const untyped = defineConsumer({
    name: 'shipping',
    exchange: 'orders',
    on: { placed: ({ id }) => id.trim(), sent: { react: ({ id }) => id.trim() } },
  })
  assert.deepEqual(
    [sqlite, postgres, untyped].map(({ name }) => name),
    ['shipping', 'shipping', 'shipping'],
  )
})

test('a definition that cannot be one is refused by what is wrong with it', () => {
  const definition = { name: 'shipping', exchange: 'orders', on: {} }
  const wrong: [object, RegExp][] = [
    [{ name: 'history' }, /not history or dead/],
    [{ name: 'with space' }, /letters, digits/],
    [{ exchange: '' }, /name an exchange/],
    [{ on: { placed: {} } }, /on\['placed'\].*apply.*react/],
    [{ on: { placed: { apply: 'later' } } }, /on\['placed'\]/],
  ]
  for (const [part, message] of wrong)
    assert.throws(() => defineConsumer({ ...definition, ...part }), { name: 'TypeError', message })
})
