/**
 * The test runner behind `npm test` and `npm run test:long`.
 *
 * Node 20 finds no .ts tests by itself. This collects them, starts one RabbitMQ for all of them, never the
 * user's own where a private one can be started, and one PostgreSQL and one MariaDB for those that name them,
 * compiles the sources once for all processes, and hands back node's exit code. Nothing is printed after node's
 * summary, so that the output ends with it.
 *
 *     npm test                        all but the long ones
 *     npm test -- topology recorder   the files whose path holds one of the words
 *     npm run test:long               those of test/long
 *     npm test -- --rabbitmq 4        on RabbitMQ 4, which it prepares where it may (services/rabbitmq-4.ts)
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { parseArgs } from 'node:util'
import { BrokerError } from '../broker/index.ts'
import { compileSources } from './compiled/compile.ts'
import { ServiceError } from './services/errors.ts'
import { type FoundBroker, findBroker } from './services/find-broker.ts'
import { findOrInstallMariadb } from './services/private-mariadb.ts'
import { findOrInstallPostgres } from './services/private-postgres.ts'
import { prepareRabbitmq4 } from './services/rabbitmq-4.ts'

const root = join(import.meta.dirname, '..')
const folders = [
  'events',
  'broker',
  'publisher',
  'history',
  'consumers',
  'health',
  'replay',
  'edison',
  'scripts',
  'test',
]
const longFolder = join('test', 'long')
/** A file as a whole, and each test in it. Only what hangs is ended: a busy machine takes many times as long. */
const timeoutMs = { usual: 600_000, long: 1_800_000 }
/** Files at once: most of them wait for a broker more than they reckon. The long ones take a machine each. */
const concurrency = { usual: 4, long: 2 }

process.exitCode = await main()

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { long: { type: 'boolean' }, rabbitmq: { type: 'string' } },
    allowPositionals: true,
  })
  const long = values.long === true
  const files = testFiles({ long, words: positionals })
  if (files.length === 0) {
    say(`No test file's path holds ${positionals.join(' or ') || longFolder}`)
    return 1
  }
  const broker = files.some(mayNeedBroker) ? await startBroker(values) : undefined
  if (broker === null) return 1
  const postgres = files.some((file) => names(file, /postgres/i)) ? await startPostgres() : undefined
  const mariadb = files.some((file) => names(file, /mariadb/i)) ? await startMariadb() : undefined
  try {
    if (postgres === null || mariadb === null) return 1
    return await runTests(files, {
      long,
      brokerUrl: broker?.url,
      postgresUrl: postgres?.url,
      mariadbUrl: mariadb?.url,
    })
  } finally {
    await Promise.all([broker?.close(), postgres?.stop(), mariadb?.stop()])
  }
}

function testFiles({ long, words }: { long: boolean; words: readonly string[] }): string[] {
  return (
    folders
      .filter((folder) => existsSync(join(root, folder)))
      .flatMap((folder) =>
        readdirSync(join(root, folder), { recursive: true }).map((file) => join(folder, String(file))),
      )
      // The bench's peers may be installed among them.
      .filter((file) => !file.includes('node_modules'))
      .filter((file) => file.endsWith('.test.ts') && file.startsWith(longFolder + sep) === long)
      .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
      .sort()
      // The slowest come first, or the others' end waits for them.
      .sort((a, b) => Number(mayNeedBroker(b)) - Number(mayNeedBroker(a)))
  )
}

/** What needs none sits beside its subject. */
function mayNeedBroker(file: string): boolean {
  return file.startsWith(`test${sep}`)
}

async function startBroker({ rabbitmq }: { rabbitmq?: string }): Promise<FoundBroker | null> {
  const started = performance.now()
  // Tests that start brokers of their own take the same one.
  if (rabbitmq === '4') process.env.BACKSTORY_RABBITMQ = '4'
  try {
    if (process.env.BACKSTORY_RABBITMQ === '4') await prepareRabbitmq4({ say })
    const broker = await findBroker({ url: process.env.BACKSTORY_BROKER, preferPrivate: true, say })
    say(`RabbitMQ was ready after ${((performance.now() - started) / 1_000).toFixed(1)} s`)
    return broker
  } catch (error) {
    if (!(error instanceof ServiceError || error instanceof BrokerError)) throw error
    say(`${error.message}\n(${error.code})`)
    return null
  }
}

function names(file: string, service: RegExp): boolean {
  return service.test(readFileSync(join(root, file), 'utf8'))
}

interface StartedService {
  readonly url: string
  stop(): Promise<void>
}

async function startPostgres(): Promise<StartedService | null> {
  return await startService(process.env.BACKSTORY_TEST_POSTGRES, findOrInstallPostgres)
}

async function startMariadb(): Promise<StartedService | null> {
  return await startService(process.env.BACKSTORY_TEST_MARIADB, findOrInstallMariadb)
}

/** The server that the environment names is used as it is: each test makes a database of its own. */
async function startService(
  url: string | undefined,
  start: (options: { say: (line: string) => void }) => Promise<StartedService>,
): Promise<StartedService | null> {
  if (url !== undefined) return { url, async stop() {} }
  try {
    return await start({ say })
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error
    say(`${error.message}\n(${error.code})`)
    return null
  }
}

async function runTests(
  files: readonly string[],
  {
    long,
    brokerUrl,
    postgresUrl,
    mariadbUrl,
  }: {
    long: boolean
    brokerUrl: string | undefined
    postgresUrl: string | undefined
    mariadbUrl: string | undefined
  },
): Promise<number> {
  const env: NodeJS.ProcessEnv = { ...process.env }
  if (brokerUrl === undefined) delete env.BACKSTORY_TEST_BROKER
  else env.BACKSTORY_TEST_BROKER = brokerUrl
  if (postgresUrl !== undefined) env.BACKSTORY_TEST_POSTGRES = postgresUrl
  if (mariadbUrl !== undefined) env.BACKSTORY_TEST_MARIADB = mariadbUrl
  delete env.BACKSTORY_BROKER
  delete env.BACKSTORY_HISTORY
  const kind = long ? 'long' : 'usual'
  const options = [
    `--test-concurrency=${concurrency[kind]}`,
    `--test-timeout=${timeoutMs[kind]}`,
    '--test-reporter=spec',
  ]
  const sources = await compileSources({ root, folders })
  const child = spawn(process.execPath, ['--import', sources.loader, '--test', ...options, ...files], {
    cwd: root,
    env,
    stdio: 'inherit',
  })
  // A terminal sends its interrupt to both; the tests end first, then their broker.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve))
  sources.remove()
  return code ?? 1
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
