/**
 * Where PostgreSQL's server is installed on this machine, and as whom it may run.
 *
 * Debian keeps its binaries off the PATH, in a folder a version, and PostgreSQL refuses to run as root:
 * where this process is root's, the server runs as the user `postgres` that its package brings.
 */
import { readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { isExecutable } from './is-executable.ts'
import { type SystemUser, userNamed } from './system-user.ts'

export interface PostgresInstallation {
  /** Folder of `postgres` and `initdb`. */
  readonly bin: string
  /** Whom the server runs as; undefined for the user of this process. */
  readonly user: SystemUser | undefined
}

/**
 * @param options.path - Where to look after the usual places, as in the environment variable.
 * @returns undefined where no server is installed that this process could run, and on Windows.
 */
export function findPostgres({ path }: { path: string }): PostgresInstallation | undefined {
  // Ending a server with its parent needs a POSIX shell and process groups.
  if (process.platform === 'win32') return undefined
  const bin = [...usualFolders(), ...path.split(delimiter)].find(hasServer)
  const user = process.getuid?.() === 0 ? userNamed('postgres') : undefined
  if (bin === undefined || (process.getuid?.() === 0 && user === undefined)) return undefined
  return { bin, user }
}

function usualFolders(): string[] {
  return [
    ...versionFolders('/usr/lib/postgresql').map((folder) => join(folder, 'bin')),
    '/usr/pgsql/bin',
    ...versionFolders('/opt/homebrew/opt', 'postgresql').map((folder) => join(folder, 'bin')),
    ...versionFolders('/usr/local/opt', 'postgresql').map((folder) => join(folder, 'bin')),
  ]
}

/** Newest version first. */
function versionFolders(parent: string, prefix = ''): string[] {
  try {
    return readdirSync(parent)
      .filter((name) => name.startsWith(prefix))
      .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
      .map((name) => join(parent, name))
  } catch {
    return []
  }
}

function hasServer(folder: string): boolean {
  return ['postgres', 'initdb'].every((name) => isExecutable(join(folder, name)))
}
