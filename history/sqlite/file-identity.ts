/**
 * Whether a path still names the file that was opened: a database goes on working on a file that was
 * deleted or replaced under it, and what it writes there is gone with the process.
 */
import { realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/** The path without symbolic links, so that one file has one name, and one lock. */
export function canonicalPath(path: string): string {
  const absolute = resolve(path)
  try {
    return realpathSync(absolute)
  } catch {
    // The file is still to be made: its folder may be there.
    const folder = dirname(absolute)
    return folder === absolute ? absolute : join(canonicalPath(folder), basename(absolute))
  }
}

export class FileIdentity {
  readonly #path: string
  readonly #key: string

  /** @throws the file system's error where there is no such file. */
  constructor(path: string) {
    this.#path = path
    this.#key = keyOf(path)
  }

  /** False where the file was deleted, or another one is there. */
  get isThere(): boolean {
    try {
      return keyOf(this.#path) === this.#key
    } catch {
      return false
    }
  }
}

function keyOf(path: string): string {
  const { dev, ino } = statSync(path)
  return `${dev}:${ino}`
}
