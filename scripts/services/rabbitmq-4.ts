/**
 * RabbitMQ 4 beside an older one, without Docker: a Debian 13 with rabbitmq-server in a folder, into which
 * its processes change their root.
 *
 * It is prepared once, by root on Linux with debootstrap, and kept in the user's cache folder. Each process
 * mounts what it needs in a mount namespace of its own, so that nothing is left mounted when it has gone,
 * `kill -9` included.
 */
import { existsSync } from 'node:fs'
import { appendFile, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { isDebian, thisSystem } from './advice.ts'
import { installByApt, mayInstallByApt } from './apt.ts'
import { ServiceError } from './errors.ts'
import type { Installation } from './installation.ts'
import { run } from './run.ts'

const server = '/usr/lib/rabbitmq/bin/rabbitmq-server'
const release = 'trixie'
const searched = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

function rabbitmq4Folder(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  return join(cache, 'backstory', 'rabbitmq-4')
}

/** The one that was prepared before; undefined where none was. */
export function findRabbitmq4({
  folder = rabbitmq4Folder(),
}: {
  folder?: string
} = {}): Installation | undefined {
  if (!existsSync(join(folder, server))) return undefined
  return { server, epmd: '/usr/bin/epmd', path: searched.join(delimiter), root: folder }
}

/**
 * Prepares it where it is not there yet: some 100 MB from Debian's mirror, about a minute.
 *
 * @param options.say - Gets a line for each step.
 * @throws ServiceError `SERVICE_NOT_FOUND` where this machine cannot, saying what is missing;
 *   `SERVICE_INSTALL_FAILED` with the end of debootstrap's output.
 */
export async function prepareRabbitmq4({
  folder = rabbitmq4Folder(),
  say,
}: {
  folder?: string
  say: (line: string) => void
}): Promise<Installation> {
  const prepared = findRabbitmq4({ folder })
  if (prepared !== undefined) return prepared
  const debootstrap = await needDebootstrap({ say })
  say(`Preparing RabbitMQ 4 of Debian ${release} in ${folder}`)
  const partial = `${folder}.${process.pid}.partial`
  await mkdir(partial, { recursive: true })
  try {
    const args = ['--variant=minbase', '--include=rabbitmq-server', release, partial]
    const { code, output } = await run(debootstrap, args, {
      onLine: (line) => {
        if (/^I: (Retrieving|Extracting|Configuring) rabbitmq|^[EW]: /.test(line)) say(`  ${line}`)
      },
    })
    if (code !== 0) {
      const tail = output.split('\n').slice(-15).join('\n')
      throw new ServiceError('SERVICE_INSTALL_FAILED', `debootstrap could not prepare RabbitMQ 4:\n${tail}`)
    }
    await nameLocalhost(join(partial, 'etc/hosts'))
    await rename(partial, folder)
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
  return findRabbitmq4({ folder })!
}

/** @returns Its path. */
async function needDebootstrap({ say }: { say: (line: string) => void }): Promise<string> {
  const system = thisSystem()
  if (system.platform !== 'linux' || !system.isRoot) {
    throw new ServiceError(
      'SERVICE_NOT_FOUND',
      'RabbitMQ 4 beside the installed one needs root on Linux, for debootstrap and chroot. Or name one that runs: export BACKSTORY_BROKER=amqp://…',
    )
  }
  const file = '/usr/sbin/debootstrap'
  if (!existsSync(file) && isDebian(system) && mayInstallByApt(system)) {
    say('Installing debootstrap with apt-get')
    await installByApt('debootstrap', { say })
  }
  if (existsSync(file)) return file
  throw new ServiceError('SERVICE_NOT_FOUND', 'RabbitMQ 4 needs debootstrap: apt-get install -y debootstrap')
}

/** Erlang looks its own name up. */
async function nameLocalhost(hosts: string): Promise<void> {
  const text = await readFile(hosts, 'utf8').catch(() => '')
  if (!/^127\.0\.0\.1\s+localhost/m.test(text)) await appendFile(hosts, '127.0.0.1\tlocalhost\n')
}
