import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { testBroker } from './fixtures/broker.ts'
import { uniqueName } from './fixtures/names.ts'

const run = promisify(execFile)
const repository = fileURLToPath(new URL('..', import.meta.url))

const program = `
import { defineConsumer, openHistory, openPublisher, startConsumer, startRecorder } from 'backstory'
const [broker, exchange] = process.argv.slice(2)
const recorder = startRecorder({ broker, exchange, history: 'history.db' })
const sales = openPublisher({ broker, exchange, source: '/sales' })
await sales.publish({ type: 'order.placed', data: { model: 'Edison One' } })
const seen = []
const definition = defineConsumer({
  name: 'shipping', exchange, on: { 'order.placed': (event, { replayed }) => { seen.push([event.data.model, replayed]) } },
})
const shipping = await startConsumer(definition, { broker, history: 'history.db', store: 'shipping.db', settleMs: 0 })
await shipping.caughtUp()
const { level } = await shipping.certificate()
await Promise.all([shipping.close(), sales.close(), recorder.close()])
console.log(JSON.stringify({ seen, level, head: (await openHistory({ history: 'history.db' }).bounds()).head }))
`

const typed = `
import { defineConsumer, defineEvents, eventType, openPublisher } from 'backstory'
const events = defineEvents({ 'order.placed': eventType<{ model: string }>() })
const publisher = openPublisher({ broker: 'amqp://x', exchange: 'orders', source: '/sales', events })
void publisher.publish({ type: 'order.placed', data: { model: 'Edison One' } })
// @ts-expect-error: no such type of event
void publisher.publish({ type: 'order.lost', data: { model: 'Edison One' } })
// @ts-expect-error: data of another shape
void publisher.publish({ type: 'order.placed', data: { model: 1 } })
export default defineConsumer({
  name: 'shipping', exchange: 'orders', events,
  prepare: (database) => database.prepare('INSERT INTO cars VALUES (?)'),
  on: {
    'order.placed': (event, { tx, replayed }) => {
      const model: string = event.data.model
      const isReplayed: boolean = replayed
      tx.run(model, isReplayed ? 1 : 0)
    },
  },
})
`

test('the packed package installs into an empty folder and works from there, types and command included', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-package-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await run('npm', ['run', 'build'], { cwd: repository })
  const packed = await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder, '--json'], {
    cwd: repository,
  })
  const file = packed.stdout.match(/"filename": *"([^"]+)"/)![1]!
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  // Compiling better-sqlite3 again would take a minute: the install scripts stay off, and its binary is
  // the one that this repository's own install built.
  await run('npm', ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', join(folder, file)], {
    cwd: folder,
  })
  await cp(
    join(repository, 'node_modules/better-sqlite3/build'),
    join(folder, 'node_modules/better-sqlite3/build'),
    {
      recursive: true,
    },
  )

  await t.test('a program uses it', async () => {
    await writeFile(join(folder, 'program.js'), program)
    const { stdout } = await run(process.execPath, ['program.js', await testBroker(), uniqueName()], {
      cwd: folder,
      timeout: 60_000,
    })
    assert.deepEqual(JSON.parse(stdout.split('\n')[0]!), {
      seen: [['Edison One', true]],
      level: true,
      head: 1,
    })
  })

  await t.test('its types tell a right program from a wrong one', async () => {
    await writeFile(join(folder, 'typed.ts'), typed)
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--types',
      '--module',
      'nodenext',
      '--target',
      'es2023',
    ]
    await run(
      process.execPath,
      [join(repository, 'node_modules/typescript/bin/tsc'), ...options, 'typed.ts'],
      {
        cwd: folder,
      },
    )
  })

  await t.test('what it publishes for other programs is there', async () => {
    for (const [name, member] of [
      ['openapi.json', 'openapi'],
      ['replay-plan.schema.json', '$schema'],
      ['replay-report.schema.json', '$schema'],
    ] as const) {
      const file = createRequire(join(folder, 'program.js')).resolve(`backstory/${name}`)
      assert.equal(typeof JSON.parse(await readFile(file, 'utf8'))[member], 'string', name)
    }
    const suites =
      "import('backstory/replay-conformance').then((suites) => console.log(Object.keys(suites).join()))"
    const { stdout } = await run(process.execPath, ['-e', suites], { cwd: folder })
    assert.equal(stdout.trim(), 'actionConformance,sourceConformance')
  })

  await t.test('its command runs', async () => {
    const { version } = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8')) as {
      version: string
    }
    const { stdout } = await run(join(folder, 'node_modules/.bin/backstory'), ['--version'], { cwd: folder })
    assert.equal(stdout.trim(), version)
  })

  await t.test('metrics without prom-client are an error that says what to install', async () => {
    const command = join(folder, 'node_modules/.bin/backstory')
    await assert.rejects(run(command, ['record', 'orders', '--health', '0'], { cwd: folder }), {
      code: 2,
      stderr: /^HEALTH_DRIVER_MISSING: [^\n]*npm install prom-client\n$/,
    })
  })

  await t.test('nothing of the demo, the tests or the sources is in it', async () => {
    const listed = await run('npm', ['pack', '--ignore-scripts', '--dry-run', '--json'], { cwd: repository })
    const paths = [...listed.stdout.matchAll(/"path": *"([^"]+)"/g)].map(([, path]) => path!)
    assert.deepEqual(
      paths.filter((path) => /edison|\/test\/|\.test\.|fixture|bench|demo|(?<!\.d)\.ts$/.test(path)),
      [],
    )
  })
})
