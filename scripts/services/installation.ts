/**
 * Where RabbitMQ is installed on this machine: its server script, and the epmd that belongs to its Erlang.
 *
 * Debian and the RPMs put a wrapper on the PATH that changes to the user `rabbitmq` and drops the
 * environment, with which nothing can run in a folder of its own. So the real scripts are looked for
 * first, and what is on the PATH counts only where it is one of them.
 */
import { readdirSync, realpathSync } from 'node:fs'
import { basename, delimiter, dirname, join } from 'node:path'
import { isExecutable } from './is-executable.ts'

export interface Installation {
  /** Path of the `rabbitmq-server` script. */
  readonly server: string
  /** Path of `epmd`. */
  readonly epmd: string
  /** The PATH on which the server finds its Erlang. */
  readonly path: string
  /** The folder in which all these are, as its root; undefined where they are this machine's own. */
  readonly root?: string
}

/**
 * @param options.path - Where to look after the usual places, as in the environment variable.
 * @returns undefined where no RabbitMQ with its Erlang is installed, and on Windows.
 */
export function findInstallation({ path }: { path: string }): Installation | undefined {
  // Ending a broker with its parent needs a POSIX shell and process groups.
  if (process.platform === 'win32') return undefined
  const searched = [path, ...furtherFolders].join(delimiter)
  const server = usualServers().find(isExecutable) ?? serverOnPath(searched)
  const epmd = epmdOnPath(searched)
  return server === undefined || epmd === undefined ? undefined : { server, epmd, path: searched }
}

const furtherFolders = [
  '/usr/local/bin',
  '/usr/bin',
  '/bin',
  '/usr/local/sbin',
  '/opt/homebrew/bin',
  '/opt/homebrew/opt/erlang/bin',
  '/usr/local/opt/erlang/bin',
]

function usualServers(): string[] {
  const folders = [
    '/usr/lib/rabbitmq/bin',
    ...versionFolders('/usr/lib/rabbitmq/lib').map((folder) => join(folder, 'sbin')),
    '/opt/homebrew/sbin',
    '/opt/homebrew/opt/rabbitmq/sbin',
    '/usr/local/opt/rabbitmq/sbin',
  ]
  return folders.map((folder) => join(folder, 'rabbitmq-server'))
}

/** Newest version first. */
function versionFolders(parent: string): string[] {
  try {
    return readdirSync(parent)
      .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
      .map((name) => join(parent, name))
  } catch {
    return []
  }
}

/** The real script has its name, and sources `rabbitmq-env` beside itself; a wrapper lacks one of both. */
export function serverOnPath(path: string): string | undefined {
  return onPath('rabbitmq-server', path).find(isServerScript)
}

function isServerScript(file: string): boolean {
  return basename(file) === 'rabbitmq-server' && isExecutable(join(dirname(file), 'rabbitmq-env'))
}

/** Some packages put only `erl` on the PATH; epmd is beside the script that this leads to. */
function epmdOnPath(path: string): string | undefined {
  const besideErl = onPath('erl', path).map((erl) => join(dirname(erl), 'epmd'))
  return [...onPath('epmd', path), ...besideErl].find(isExecutable)
}

function onPath(name: string, path: string): string[] {
  return path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .filter(isExecutable)
    .map((file) => realpathSync(file))
}
