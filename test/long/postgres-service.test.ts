import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openPostgres } from '../../history/index.ts'
import { accepts } from '../../scripts/services/ports.ts'
import { startPrivatePostgres } from '../../scripts/services/private-postgres.ts'
import { ownPostgres } from '../fixtures/postgres.ts'
import { until } from '../fixtures/until.ts'

test('a private PostgreSQL that is killed and started again has what was committed', async (t) => {
  const server = await ownPostgres(t)
  const { pid, url } = server
  const client = await openPostgres(url, { name: 'test' })
  await client.query('CREATE TABLE kept (id int)')
  await client.query('INSERT INTO kept VALUES (1)')
  await server.kill()
  assert.equal(server.pid, undefined)
  assert.equal(await accepts(server.port), false)
  await assert.rejects(openPostgres(url, { name: 'test' }), { code: 'HISTORY_UNAVAILABLE' })
  await server.start()
  assert.notEqual(server.pid, pid)
  const again = await openPostgres(url, { name: 'test' })
  assert.deepEqual((await again.query('SELECT id FROM kept')).rows, [{ id: 1 }])
  await again.end()
})

test('a private PostgreSQL is killed and started again though a client was in a query', async (t) => {
  const server = await ownPostgres(t)
  const client = await openPostgres(server.url, { name: 'test' })
  const query = client.query('SELECT pg_sleep(600)')
  query.catch(() => {})
  await server.kill()
  await assert.rejects(query)
  await server.start()
})

test('a private PostgreSQL leaves nothing behind, clients or not, and keeps a folder that was given', async (t) => {
  const temporary = await startPrivatePostgres()
  await openPostgres(temporary.url, { name: 'test' })
  await temporary.stop()
  assert.equal(existsSync(temporary.folder), false)
  assert.equal(await accepts(temporary.port), false)

  const folder = await mkdtemp(join(tmpdir(), 'backstory-kept-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const first = await startPrivatePostgres({ folder })
  const client = await openPostgres(first.url, { name: 'test' })
  await client.query('CREATE TABLE kept (id int)')
  await first.stop()
  const second = await startPrivatePostgres({ folder })
  const again = await openPostgres(second.url, { name: 'test' })
  assert.equal((await again.query('SELECT * FROM kept')).rowCount, 0)
  await second.stop()
})

test('a private PostgreSQL is gone after its parent was killed with SIGKILL', async () => {
  const program = fileURLToPath(new URL('../fixtures/leave-postgres.ts', import.meta.url))
  const parent = spawn(process.execPath, [...process.execArgv, program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string]
  const { folder, url } = JSON.parse(line) as { folder: string; url: string }
  const port = Number(new URL(url).port)
  assert.ok(await accepts(port))
  parent.kill('SIGKILL')
  await until('server and folder are gone', async () => !existsSync(folder) && !(await accepts(port)))
})

test('a server that denies us is told from one that is away, and neither names the password', async (t) => {
  const server = await ownPostgres(t)
  const wrong = server.url.replace(/:[0-9a-f]+@/, ':geheim@')
  await assert.rejects(openPostgres(wrong, { name: 'test' }), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'HISTORY_FOREIGN')
    return !error.message.includes('geheim')
  })
  const missing = server.url.replace(/postgres$/, 'nowhere')
  await assert.rejects(openPostgres(missing, { name: 'test' }), { code: 'HISTORY_FOREIGN' })
  await assert.rejects(
    openPostgres('postgres://x:geheim@127.0.0.1:1/x', { name: 'test' }),
    (error: Error) => {
      assert.match(error.message, /^postgres:\/\/127\.0\.0\.1:1\/x cannot be used now/)
      return !error.message.includes('geheim')
    },
  )
  await assert.rejects(openPostgres('orders.db', { name: 'test' }), TypeError)
})
