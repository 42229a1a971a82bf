/** The user of the system whom a database server runs as: it refuses to run as root. */
import { readFileSync } from 'node:fs'

export interface SystemUser {
  readonly uid: number
  readonly gid: number
}

/** undefined where there is none of that name. */
export function userNamed(name: string): SystemUser | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`))
  if (line === undefined) return undefined
  const [, , uid, gid] = line.split(':').map(Number)
  return { uid: uid!, gid: gid! }
}

/** A command as that user, or, where it is undefined, as this one. It becomes the program's own process. */
export function commandAs(
  user: SystemUser | undefined,
  file: string,
  args: readonly string[],
): { file: string; args: string[] } {
  if (user === undefined) return { file, args: [...args] }
  const drop = [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', '--']
  return { file: 'setpriv', args: [...drop, file, ...args] }
}
