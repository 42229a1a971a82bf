import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openPostgres } from '../../history/index.ts'
import { placeFor } from '../fixtures/backstory.ts'
import { testBroker } from '../fixtures/broker.ts'
import { deleteTopology, uniqueName } from '../fixtures/names.ts'
import { testPostgres } from '../fixtures/postgres.ts'

test('record, bootstrap, status, parked events, certificate and audits with history and store in PostgreSQL, and nobody sees the password', async (t) => {
  const url = await testBroker()
  const exchange = uniqueName()
  t.after(() => deleteTopology(url, exchange, [`${exchange}.shipping`]))
  const { folder, run, start } = placeFor(t, url)
  const store = await testPostgres(t)
  writeFileSync(
    join(folder, 'shipping.ts'),
    `import { defineConsumer, type PostgresClient } from 'backstory'
    export default defineConsumer({
      name: 'shipping',
      exchange: '${exchange}',
      retry: { attempts: 1 },
      async prepare(database: PostgresClient) {
        await database.query('CREATE TABLE IF NOT EXISTS orders (subject text PRIMARY KEY)')
        return database
      },
      on: { 'order.placed': ({ subject }, { tx }) => tx.query('INSERT INTO orders VALUES ($1)', [subject]) },
    })`,
  )
  writeFileSync(join(folder, 'backstory.config.json'), JSON.stringify({ history: store }))
  const recorder = start(`record ${exchange}`)
  await recorder.says(/Recording/)
  const subjects = [...Array.from({ length: 1_200 }, (_, n) => n), 'sold twice', 'sold twice']
  const orders = subjects.map((subject) => `{"type":"order.placed","subject":"${subject}","data":{}}\n`)
  assert.equal((await run(`publish ${exchange} -`, { stdin: orders.join('') })).code, 0)

  const bootstrap = await run(`bootstrap shipping.ts --settle 0 --json --store ${store}`)
  assert.equal(bootstrap.code, 0, bootstrap.stderr)
  assert.equal((JSON.parse(bootstrap.stdout) as { applied: number }).applied, 1_201)
  const status = await run(`consumers status --json ${store}`)
  const { consumer, cursor, store: shown } = JSON.parse(status.stdout) as Record<string, unknown>
  assert.deepEqual({ consumer, cursor }, { consumer: 'shipping', cursor: 1_202 })
  const { host, pathname, password } = new URL(store)
  assert.equal(shown, `postgres://${host}${pathname}`)

  const failed = await run(`parked retry ./shipping.ts --all --store ${store}`)
  assert.equal(failed.code, 1)
  assert.match(failed.stderr, /1 failed again: backstory parked groups postgres:/)
  const client = await openPostgres(store, { name: 'backstory test' })
  await client.query(`DELETE FROM orders WHERE subject = 'sold twice'`)
  await client.end()
  const retry = await run(`parked retry ./shipping.ts --all --store ${store} --json`)
  assert.equal(retry.code, 0, retry.stderr)
  assert.equal((JSON.parse(retry.stdout) as { applied: number }).applied, 1)

  const certificate = await run(`consumers certificate --level ${store}`)
  assert.equal(certificate.code, 0, certificate.stdout)
  const audit = await run(`audit --consumer shipping.ts --json --store ${store}`)
  assert.equal(audit.code, 0, audit.stderr)
  assert.equal((JSON.parse(audit.stdout) as { clean: boolean }).clean, true)

  const head = await run(`history head --json --history ${store}?exchange=${exchange}`)
  assert.equal((JSON.parse(head.stdout) as { head: number }).head, 1_202)
  const history = await run(`audit ${exchange}`)
  assert.equal(history.code, 0, history.stderr)

  const wrong = await run(`consumers status ${store}x`)
  assert.match(wrong.stderr, /^CONSUMER_STORE_FOREIGN: /m)
  const outputs = [bootstrap, status, failed, retry, certificate, audit, wrong, head, history, recorder].map(
    ({ stdout, stderr }) => stdout + stderr,
  )
  assert.equal(outputs.join('').includes(password), false)
})
