import { existsSync, realpathSync } from 'node:fs'

/** The one way to spell a file that is there; of another the path as it is. */
export function realPath(path: string): string {
  return existsSync(path) ? realpathSync.native(path) : path
}
