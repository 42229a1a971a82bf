import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chownSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openHistory, openHistoryWriter, openPostgres } from '../../history/index.ts'
import { temporaryFolder } from '../fixtures/exchange.ts'
import { ownPostgres } from '../fixtures/postgres.ts'
import { until } from '../fixtures/until.ts'

const message = { exchange: 'orders', routingKey: '', properties: {}, body: Buffer.alloc(0) }
const event = { id: '1', source: '/s', type: 't', subject: undefined, message }

test('a history is written and read over TLS, by who knows the authority, and by nobody who does not', async (t) => {
  const server = await ownPostgres(t)
  const authority = join(await temporaryFolder(t), 'ca.pem')
  const key = join(server.folder, 'server.key')
  const certificate = join(server.folder, 'server.crt')
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync(
    'openssl',
    [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-keyout', key, '-out', certificate, ...subject],
    ],
    { stdio: 'ignore' },
  )
  execFileSync('cp', [certificate, authority])
  const { uid, gid } = statSync(join(server.folder, 'data'))
  for (const file of [key, certificate]) chownSync(file, uid, gid)
  const admin = await openPostgres(server.url, { name: 'test' })
  t.after(() => admin.end())
  for (const [name, value] of [
    ['ssl_cert_file', certificate],
    ['ssl_key_file', key],
    ['ssl', 'on'],
  ]) {
    await admin.query(`ALTER SYSTEM SET ${name} = '${value}'`)
  }
  await admin.query('SELECT pg_reload_conf()')
  const history = `${server.url}?sslmode=verify-full&sslrootcert=${authority}`
  await until('the server has TLS', async () => {
    const client = await openPostgres(history, { name: 'test' }).catch(() => undefined)
    await client?.end()
    return client !== undefined
  })
  const writer = await openHistoryWriter({ history, exchange: 'orders' })
  await writer.append({ events: [event], fences: [] })
  await using reader = openHistory({ history })
  assert.equal((await reader.read({ after: 0 })).length, 1)
  const { rows } = await admin.query<{ name: string; ssl: boolean }>(
    `SELECT application_name AS name, ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
     WHERE application_name LIKE 'backstory re%' ORDER BY name`,
  )
  assert.deepEqual(rows, [
    { name: 'backstory reader', ssl: true },
    { name: 'backstory recorder of orders', ssl: true },
  ])
  await writer.close()
  await assert.rejects(openHistory({ history: `${server.url}?sslmode=verify-full` }).bounds(), {
    code: 'HISTORY_FOREIGN',
    message: /cannot be talked to in secret \(self-signed certificate\): name its authority with sslrootcert/,
  })
})
