/**
 * A private PostgreSQL: an installed server with a data folder and a port of its own, loopback only, with a
 * password, gone without a trace when it is stopped or when this process ends, `kill -9` included.
 *
 * It can be killed and started again on the same port and data, as a machine that lost its power would.
 * That takes the server's children along: they are in sessions of their own, outlive it for a moment, and
 * keep a new one from starting on the same data.
 */
import { randomBytes } from 'node:crypto'
import { chown, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openPostgres } from '../../history/index.ts'
import { postgresAdvice } from './advice.ts'
import { installByApt, mayInstallByApt } from './apt.ts'
import { ServiceError } from './errors.ts'
import { type GuardedProcess, Guardian } from './guardian.ts'
import { drawPort } from './ports.ts'
import { findPostgres, type PostgresInstallation } from './postgres-installation.ts'
import { run } from './run.ts'
import { startFailure } from './start-failure.ts'
import { commandAs } from './system-user.ts'

export interface PrivatePostgresOptions {
  /** Kept at the end, data and all. Default: a temporary one, removed at the end. */
  readonly folder?: string
  /** Gets a line when it starts. Default: none. */
  readonly say?: (line: string) => void
}

const startTimeoutMs = 60_000
const pollMs = 20
/** Draws of a port, should another process take one between the draw and the start. */
const portDraws = 3

/**
 * Makes a data folder and starts a server on it; resolves when it serves, in about 2 s.
 *
 * @throws ServiceError `SERVICE_NOT_FOUND` where no server is installed (the message has the commands that
 *   install it); `SERVICE_START_FAILED` where it does not start, with the end of its log.
 */
export async function startPrivatePostgres({
  folder,
  say = () => {},
}: PrivatePostgresOptions = {}): Promise<PrivatePostgres> {
  const installation = findPostgres({ path: process.env.PATH ?? '' })
  if (installation === undefined) {
    throw new ServiceError('SERVICE_NOT_FOUND', `No PostgreSQL server is installed.\n${postgresAdvice()}`)
  }
  for (let draw = 1; ; draw += 1) {
    const place =
      folder === undefined ? await mkdtemp(join(tmpdir(), 'backstory-postgres-')) : resolve(folder)
    const guardian = new Guardian({ folder: folder === undefined ? place : undefined })
    const postgres = new PrivatePostgres({ installation, folder: place, port: await drawPort() }, guardian)
    say(`Starting a private PostgreSQL (${installation.bin}) on port ${postgres.port}`)
    try {
      await postgres.start()
      return postgres
    } catch (error) {
      const retry = draw < portDraws && error instanceof Error && /could not bind/i.test(error.message)
      await postgres.stop()
      if (!retry) throw error
    }
  }
}

/**
 * The same, where need be after the server was installed with apt.
 *
 * @throws ServiceError as `startPrivatePostgres` does; `SERVICE_INSTALL_FAILED` with the end of apt's output.
 */
export async function findOrInstallPostgres({
  say,
}: {
  say: (line: string) => void
}): Promise<PrivatePostgres> {
  if (findPostgres({ path: process.env.PATH ?? '' }) === undefined && mayInstallByApt()) {
    say('Installing postgresql with apt-get, without starting it as a service')
    await installByApt('postgresql', { say })
  }
  return await startPrivatePostgres({ say })
}

interface Place {
  readonly installation: PostgresInstallation
  /** Absolute; data, password and log are in it. */
  readonly folder: string
  readonly port: number
}

export class PrivatePostgres {
  readonly #place: Place
  readonly #guardian: Guardian
  #password = ''
  #server: GuardedProcess | undefined

  constructor(place: Place, guardian: Guardian) {
    this.#place = place
    this.#guardian = guardian
  }

  /** Of its database `postgres`, with the password of its superuser. */
  get url(): string {
    return `postgres://${user}:${this.#password}@127.0.0.1:${this.port}/postgres`
  }

  get port(): number {
    return this.#place.port
  }

  get folder(): string {
    return this.#place.folder
  }

  /** The server's; another one after each start, undefined while it is down. */
  get pid(): number | undefined {
    return this.#server?.isRunning ? this.#server.pid : undefined
  }

  /**
   * Starts it, again after `kill()`, on the same port and data, and resolves when it serves.
   *
   * @throws ServiceError `SERVICE_START_FAILED` where it does not, with the end of its log.
   */
  async start(): Promise<void> {
    if (this.pid !== undefined) return
    await this.#makeData()
    const log = await open(this.#log, 'a')
    const command = this.#command('postgres', ['-D', join(this.folder, 'data'), ...settings(this.port)])
    try {
      this.#server = this.#guardian.start('server', { ...command, env: environment(), output: log.fd })
    } finally {
      await log.close()
    }
    await this.#untilReady(this.#server)
  }

  /** Ends the server and its children with SIGKILL, and resolves when it has gone. Nothing while it is down. */
  async kill(): Promise<void> {
    const { pid } = this
    if (pid === undefined) return
    // Stopped, it can neither have another child nor begin to mend what the first one's death left.
    process.kill(pid, 'SIGSTOP')
    const children = await childrenOf(pid)
    await this.#server!.kill()
    for (const child of children) signal(child, 'SIGKILL')
    while (children.some((child) => signal(child, 0))) await sleep(pollMs)
  }

  /** Ends it for good, with its open connections, and removes its folder where that is temporary. */
  async stop(): Promise<void> {
    // Its "fast shutdown": SIGTERM would wait for every client to leave.
    await this.#server?.terminate('SIGINT')
    await this.#guardian.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #makeData(): Promise<void> {
    const passwordFile = join(this.folder, 'password')
    this.#password = await readFile(passwordFile, 'utf8').catch(() => '')
    if (this.#password !== '') return
    this.#password = randomBytes(24).toString('hex')
    await mkdir(this.folder, { recursive: true })
    await rm(join(this.folder, 'data'), { recursive: true, force: true })
    await writeFile(passwordFile, this.#password, { mode: 0o600 })
    await this.#giveToUser(this.folder, passwordFile)
    const { file, args } = this.#command('initdb', [
      ...['-D', join(this.folder, 'data'), '-U', user, `--pwfile=${passwordFile}`],
      ...['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync'],
    ])
    const { code, output } = await run(file, args, { env: { PGDATA: undefined } })
    if (code === 0) return
    await rm(passwordFile, { force: true })
    throw new ServiceError(
      'SERVICE_START_FAILED',
      `initdb failed (${this.#place.installation.bin}):\n${output}`,
    )
  }

  async #giveToUser(...paths: string[]): Promise<void> {
    const { user: owner } = this.#place.installation
    if (owner !== undefined) for (const path of paths) await chown(path, owner.uid, owner.gid)
  }

  #command(name: 'postgres' | 'initdb', args: readonly string[]): { file: string; args: string[] } {
    const { bin, user: owner } = this.#place.installation
    return commandAs(owner, join(bin, name), args)
  }

  get #log(): string {
    return join(this.folder, 'postgres.log')
  }

  async #untilReady(server: GuardedProcess): Promise<void> {
    const deadline = Date.now() + startTimeoutMs
    while (true) {
      if (!server.isRunning) await this.#fail('PostgreSQL ended while it started')
      try {
        const client = await openPostgres(this.url, { name: 'backstory readiness' })
        await client.end()
        return
      } catch (cause) {
        if (Date.now() > deadline)
          await this.#fail(`PostgreSQL did not answer in ${startTimeoutMs / 1_000} s`, cause)
      }
      await sleep(pollMs)
    }
  }

  async #fail(what: string, cause?: unknown): Promise<never> {
    throw await startFailure(`${what} (${this.#place.installation.bin})`, this.#log, { cause })
  }
}

const user = 'backstory'

/** Durable as by default: a test that kills it, or a measurement, means what it would mean elsewhere. */
function settings(port: number): string[] {
  const values = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    // In the data folder, so that a killed server leaves nothing in /dev/shm.
    dynamic_shared_memory_type: 'mmap',
    max_connections: '200',
    logging_collector: 'off',
  }
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** The settings that a user has for a PostgreSQL of their own are not for this one. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name)))
}

async function childrenOf(pid: number): Promise<number[]> {
  const { output } = await run('ps', ['-A', '-o', 'pid=,ppid='])
  return output
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number])
    .filter(([, parent]) => parent === pid)
    .map(([child]) => child)
}

/** Whether the process was there to take it. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name)
    return true
  } catch {
    return false
  }
}
