import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import { testBroker } from './fixtures/broker.ts'
import { uniqueName } from './fixtures/names.ts'

const run = promisify(execFile)
const repository = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string) => readFile(join(repository, path), 'utf8')

async function sources(): Promise<string> {
  const files: string[] = []
  for (const folder of ['events', 'broker', 'publisher', 'history', 'consumers', 'health', 'replay']) {
    for (const file of await readdir(join(repository, folder), { recursive: true })) {
      if (file.endsWith('.ts') && !/\.(test|contract|fixture)\.ts$/.test(file))
        files.push(`${folder}/${file}`)
    }
  }
  return (await Promise.all(files.map(read))).join('\n')
}

test('the first example of the README does what its comments say', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-readme-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const [, example] = (await read('README.md')).match(/```ts\n([\s\S]*?)```/)!
  const program = example!
    .replace("'amqp://127.0.0.1', 'orders'", `'${await testBroker()}', '${uniqueName()}'`)
    .concat('\nawait Promise.all([shipping.close(), sales.close(), recorder.close()])\n')
  await writeFile(join(folder, 'example.mts'), program)
  const { stdout } = await run(process.execPath, ['--import', import.meta.resolve('tsx'), 'example.mts'], {
    cwd: folder,
    env: { ...process.env, TSX_TSCONFIG_PATH: join(repository, 'tsconfig.json') },
    timeout: 60_000,
  })
  assert.deepEqual(stdout.trim().split('\n'), ["EC-1 { model: 'Edison One' } { replayed: true }", 'true'])
})

test('the program in docs/replay.md replays', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-replay-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const [, example] = (await read('docs/replay.md')).match(/```ts\n([\s\S]*?)```/)!
  await writeFile(join(folder, 'example.mts'), example!)
  const orders = ['order.paid', 'order.placed', 'order.paid'].map((type, n) => ({
    id: `${n}`,
    type,
    subject: `EC-${n}`,
  }))
  await writeFile(join(folder, 'orders.jsonl'), orders.map((order) => `${JSON.stringify(order)}\n`).join(''))
  const database = new Database(join(folder, 'orders.db'))
  t.after(() => database.close())
  database.exec('CREATE TABLE paid (number TEXT PRIMARY KEY)')
  const { stdout } = await run(process.execPath, ['--import', import.meta.resolve('tsx'), 'example.mts'], {
    cwd: folder,
    env: { ...process.env, TSX_TSCONFIG_PATH: join(repository, 'tsconfig.json') },
    timeout: 60_000,
  })
  assert.equal(stdout, '2 0\n')
  assert.deepEqual(database.prepare('SELECT number FROM paid ORDER BY number').pluck().all(), [
    'EC-0',
    'EC-2',
  ])
})

test('the README lists every error code, and none that there is not', async () => {
  const readme = await read('README.md')
  const documented = new Set(
    [
      ...readme
        .slice(readme.indexOf('## Error codes'))
        .matchAll(/`((?:BROKER|PUBLISH|HISTORY|EVENT|PATTERN|CONSUMER|HEALTH|REPLAY)_[A-Z_]+)`/g),
    ].map(([, code]) => code!),
  )
  const unions = (await sources()).match(/export type \w+ErrorCode =[^;]*?(?=\n\n)/g)!.join('\n')
  const defined = new Set([...unions.matchAll(/'([A-Z_]+)'/g)].map(([, code]) => code!))
  assert.deepEqual([...documented].sort(), [...defined].sort())
})

test('the list of log events is that of the code', async () => {
  const documented = [...(await read('docs/logging.md')).matchAll(/`([a-z]+\.[a-z-]+)`/g)].map(
    ([, name]) => name!,
  )
  const logged = [...(await sources()).matchAll(/logger\.(?:info|warn|error)\(\s*'([a-z.-]+)'/g)].map(
    ([, name]) => name!,
  )
  assert.deepEqual([...new Set(documented)].sort(), [...new Set(logged)].sort())
})

test('every field of the log is in the one list of keys, and the list has no other', async () => {
  const [, list] = /^Fields, one list for all: (.*)$/m.exec(await read('docs/logging.md'))!
  const documented = [...list!.matchAll(/`(\w+)`/g)].map(([, key]) => key!)
  const code = await sources()
  const logged = new Set<string>()
  for (const [, object] of code.matchAll(/[lL]ogger\.\w+\(\s*'[a-z.-]+',\s*(\{[^}]*\}|\w+)/g)) {
    // A variable's object is the one of that name that is written down nearest before.
    const fields = object!.startsWith('{') ? object! : fieldsNamed(object!, code)
    for (const [, key] of fields.matchAll(/(?<=[{,]\s*)(\w+)(?=\s*[:,}])/g)) logged.add(key!)
  }
  assert.deepEqual([...logged].sort(), documented.toSorted())
})

function fieldsNamed(name: string, code: string): string {
  const found = [...code.matchAll(new RegExp(`const ${name} = (\\{[^}]*\\})`, 'g'))]
  assert.ok(found.length > 0, `the fields of a log line come from ${name}, which is no object`)
  return found.map(([, object]) => object).join()
}

test('every option in the README is one, with that default', async () => {
  const code = (await sources()).replaceAll('_000', '000')
  const readme = await read('README.md')
  const table = readme.slice(readme.indexOf('## Options'), readme.indexOf('## Error codes'))
  for (const [, names, defaults] of table.matchAll(/^\| (`[^|]+`) \| ([^|]*) \|/gm)) {
    const values = defaults!.match(/[\d,]+/g) ?? []
    for (const [index, [, name]] of [...names!.matchAll(/`(\w+)`/g)].entries()) {
      assert.match(code, new RegExp(`readonly ${name}\\??:`), `${name} is no option`)
      const value = values[index]?.replaceAll(',', '')
      if (value !== undefined && !/MiB|hour/.test(defaults!))
        assert.match(code, new RegExp(`${name} = ${value}\\b`), `${name} = ${value}`)
    }
  }
})

test('links between the documents lead somewhere', async () => {
  const decisions = (await readdir(join(repository, 'docs/decisions'))).map(
    (file) => `docs/decisions/${file}`,
  )
  for (const file of ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'docs/logging.md', ...decisions]) {
    for (const [, target] of (await read(file)).matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      assert.ok(existsSync(join(repository, dirname(file), target!)), `${file} links to ${target}`)
    }
  }
})
