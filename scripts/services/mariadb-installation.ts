/** Where MariaDB's server is installed on this machine, and who may run it: it refuses root. */
import { delimiter, join } from 'node:path'
import { isExecutable } from './is-executable.ts'
import { type SystemUser, userNamed } from './system-user.ts'

export interface MariadbInstallation {
  /** Path of `mariadbd`. */
  readonly server: string
  /** Path of `mariadb-install-db`, which makes a data folder. */
  readonly installDb: string
  /** Whom the server runs as; undefined for the user of this process. */
  readonly user: SystemUser | undefined
}

/**
 * @param options.path - Where to look after the usual places, as in the environment variable.
 * @returns undefined where no server is installed that this process could run, and on Windows.
 */
export function findMariadb({ path }: { path: string }): MariadbInstallation | undefined {
  // Ending a server with its parent needs a POSIX shell and process groups.
  if (process.platform === 'win32') return undefined
  const folders = [...usualFolders, ...path.split(delimiter)]
  const [server, installDb, defaults] = ['mariadbd', 'mariadb-install-db', 'my_print_defaults'].map((name) =>
    folders.map((folder) => join(folder, name)).find(isExecutable),
  )
  const isRoot = process.getuid?.() === 0
  const user = isRoot ? (userNamed('mysql') ?? userNamed('nobody')) : undefined
  if (server === undefined || installDb === undefined || defaults === undefined) return undefined
  return isRoot && user === undefined ? undefined : { server, installDb, user }
}

const usualFolders = [
  '/usr/sbin',
  '/usr/bin',
  '/usr/libexec',
  '/opt/homebrew/opt/mariadb/bin',
  '/usr/local/opt/mariadb/bin',
]
