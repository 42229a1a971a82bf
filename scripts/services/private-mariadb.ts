/**
 * A private MariaDB: an installed server with a data folder, a socket and a port of its own, loopback only, with
 * a password, gone without a trace when it is stopped or when this process ends, `kill -9` included.
 *
 * It can be killed and started again on the same port and data, as a machine that lost its power would.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, mkdir, mkdtemp, open, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { mariadbAdvice } from './advice.ts'
import { installByApt, mayInstallByApt } from './apt.ts'
import { ServiceError } from './errors.ts'
import { type GuardedProcess, Guardian } from './guardian.ts'
import { findMariadb, type MariadbInstallation } from './mariadb-installation.ts'
import { drawPort } from './ports.ts'
import { run } from './run.ts'
import { startFailure } from './start-failure.ts'
import { commandAs } from './system-user.ts'

const startTimeoutMs = 60_000
const pollMs = 20
/** Draws of a port, should another process take one between the draw and the start. */
const portDraws = 3

/**
 * Makes a data folder and starts a server on it; resolves when it serves, in about 5 s.
 *
 * @param options.say - Gets a line when it starts. Default: none.
 * @throws ServiceError `SERVICE_NOT_FOUND` where no server is installed (the message has the commands that
 *   install it); `SERVICE_START_FAILED` where it does not start, with the end of its log.
 */
export async function startPrivateMariadb({
  say = () => {},
}: {
  say?: (line: string) => void
} = {}): Promise<PrivateMariadb> {
  const installation = findMariadb({ path: process.env.PATH ?? '' })
  if (installation === undefined) {
    throw new ServiceError('SERVICE_NOT_FOUND', `No MariaDB server is installed.\n${mariadbAdvice()}`)
  }
  for (let draw = 1; ; draw += 1) {
    const folder = await mkdtemp(join(tmpdir(), 'backstory-mariadb-'))
    const mariadb = new PrivateMariadb(
      { installation, folder, port: await drawPort() },
      new Guardian({ folder }),
    )
    say(`Starting a private MariaDB (${installation.server}) on port ${mariadb.port}`)
    try {
      await mariadb.start()
      return mariadb
    } catch (error) {
      const retry =
        draw < portDraws && error instanceof Error && /Address already in use/i.test(error.message)
      await mariadb.stop()
      if (!retry) throw error
    }
  }
}

/**
 * The same, where need be after the server was installed with apt.
 *
 * @throws ServiceError as `startPrivateMariadb` does; `SERVICE_INSTALL_FAILED` with the end of apt's output.
 */
export async function findOrInstallMariadb({
  say,
}: {
  say: (line: string) => void
}): Promise<PrivateMariadb> {
  if (findMariadb({ path: process.env.PATH ?? '' }) === undefined && mayInstallByApt()) {
    say('Installing mariadb-server with apt-get, without starting it as a service')
    await installByApt('mariadb-server', { say })
  }
  return await startPrivateMariadb({ say })
}

interface Place {
  readonly installation: MariadbInstallation
  /** Absolute; data, password, socket and log are in it. */
  readonly folder: string
  readonly port: number
}

export class PrivateMariadb {
  readonly #place: Place
  readonly #guardian: Guardian
  readonly #password = randomBytes(24).toString('hex')
  #server: GuardedProcess | undefined

  constructor(place: Place, guardian: Guardian) {
    this.#place = place
    this.#guardian = guardian
  }

  /** With the password of a user who may do anything, and no database. */
  get url(): string {
    return `mysql://${user}:${this.#password}@127.0.0.1:${this.port}`
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
    const { server, user } = this.#place.installation
    const command = commandAs(user, server, settings(this.folder, this.port))
    try {
      this.#server = this.#guardian.start('server', { ...command, env: environment(), output: log.fd })
    } finally {
      await log.close()
    }
    await this.#untilReady(this.#server)
  }

  /** Ends the server with SIGKILL, and resolves when it has gone. Nothing while it is down. */
  async kill(): Promise<void> {
    if (this.pid !== undefined) await this.#server!.kill()
  }

  /** Ends it for good, and removes its folder. */
  async stop(): Promise<void> {
    await this.#guardian.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #makeData(): Promise<void> {
    const data = join(this.folder, 'data')
    if (existsSync(data)) return
    await mkdir(data)
    const init = join(this.folder, 'init.sql')
    await writeFile(init, initStatements(this.#password), { mode: 0o600 })
    const { user: owner, installDb } = this.#place.installation
    if (owner !== undefined)
      for (const path of [this.folder, data, init]) await chown(path, owner.uid, owner.gid)
    const { file, args } = commandAs(owner, installDb, [
      '--no-defaults',
      `--datadir=${data}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      '--skip-name-resolve',
    ])
    const { code, output } = await run(file, args, { env: {} })
    if (code === 0) return
    throw new ServiceError('SERVICE_START_FAILED', `mariadb-install-db failed (${installDb}):\n${output}`)
  }

  async #untilReady(server: GuardedProcess): Promise<void> {
    const deadline = Date.now() + startTimeoutMs
    while (!(await greets(this.port))) {
      if (!server.isRunning) await this.#fail('MariaDB ended while it started')
      if (Date.now() > deadline) await this.#fail(`MariaDB did not answer in ${startTimeoutMs / 1_000} s`)
      await sleep(pollMs)
    }
  }

  get #log(): string {
    return join(this.folder, 'mariadb.log')
  }

  async #fail(what: string): Promise<never> {
    throw await startFailure(`${what} (${this.#place.installation.server})`, this.#log)
  }
}

const user = 'backstory'

/** Done at each start, before anybody is let in. */
function initStatements(password: string): string {
  const users = ['127.0.0.1', 'localhost'].flatMap((host) => [
    `CREATE USER IF NOT EXISTS ${user}@'${host}' IDENTIFIED BY '${password}';`,
    `GRANT ALL PRIVILEGES ON *.* TO ${user}@'${host}' WITH GRANT OPTION;`,
  ])
  return `${[
    // A new data folder has users without a password.
    "DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');",
    'FLUSH PRIVILEGES;',
    ...users,
    `ALTER USER root@localhost IDENTIFIED BY '${password}';`,
  ].join('\n')}\n`
}

/** Durable as by default: a test that kills it means what it would mean elsewhere. */
function settings(folder: string, port: number): string[] {
  return [
    // Has to be the first: the settings that a user has for a server of their own are not for this one.
    '--no-defaults',
    `--datadir=${join(folder, 'data')}`,
    `--socket=${join(folder, 'socket')}`,
    `--pid-file=${join(folder, 'pid')}`,
    `--init-file=${join(folder, 'init.sql')}`,
    '--bind-address=127.0.0.1',
    `--port=${port}`,
    '--skip-name-resolve',
    '--max-connections=200',
    '--innodb-buffer-pool-size=64M',
  ]
}

function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(MYSQL|MARIADB)/.test(name)))
}

/** Whether something speaks there first, as MariaDB does once it serves. */
async function greets(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('data', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
    socket.once('data', () => socket.destroy())
    socket.setTimeout(1_000, () => socket.destroy())
  })
}
