import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { accepts } from '../../scripts/services/ports.ts'
import { startPrivateMariadb } from '../../scripts/services/private-mariadb.ts'
import { mariadbConnection, newDatabase, ownMariadb } from '../fixtures/mariadb.ts'
import { until } from '../fixtures/until.ts'

test('a private MariaDB that is killed and started again has what was committed', async (t) => {
  const server = await ownMariadb(t)
  const { pid } = server
  const url = await newDatabase(server.url)
  const connection = await mariadbConnection(t, url)
  await connection.query('CREATE TABLE kept (id int)')
  await connection.query('INSERT INTO kept VALUES (1)')
  await server.kill()
  assert.equal(server.pid, undefined)
  assert.equal(await accepts(server.port), false)
  await server.start()
  assert.notEqual(server.pid, pid)
  const again = await mariadbConnection(t, url)
  assert.deepEqual((await again.query('SELECT id FROM kept'))[0], [{ id: 1 }])
})

test('a private MariaDB lets nobody in without its password, and leaves nothing behind', async (t) => {
  const server = await startPrivateMariadb()
  for (const user of ['root', 'backstory', '']) {
    const url = new URL(server.url)
    url.username = user
    url.password = ''
    await assert.rejects(mariadbConnection(t, url.href), { code: 'ER_ACCESS_DENIED_ERROR' })
  }
  await server.stop()
  assert.equal(existsSync(server.folder), false)
  assert.equal(await accepts(server.port), false)
})

test('a private MariaDB is gone after its parent was killed with SIGKILL', async () => {
  const program = fileURLToPath(new URL('../fixtures/leave-mariadb.ts', import.meta.url))
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
