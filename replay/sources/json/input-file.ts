/**
 * The files that a source of JSON reads, in their order: as they were given, those of a glob by their names, in
 * which numbers count as numbers: `orders-2` is before `orders-10`. A file that is given twice is read once.
 */
import { type Stats, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { glob, isDynamicPattern } from 'tinyglobby'
import { ReplayError } from '../../errors.ts'
import { realPath } from '../../real-path.ts'
import { shownAddress } from '../../shown-address.ts'

export interface InputFile {
  /** As it was given, or found. */
  readonly name: string
  /** undefined for standard input. */
  readonly path: string | undefined
  /** Compressed, where it is. undefined where that is not known before: of a pipe. */
  readonly bytes: number | undefined
}

const stdinAddress = '-'
const stdin: InputFile = { name: 'standard input', path: undefined, bytes: undefined }

/**
 * @param addresses - Files, globs, `-`.
 * @throws ReplayError `REPLAY_SOURCE_UNAVAILABLE` where a file is not there, or a glob finds none;
 *   `REPLAY_SOURCE_INVALID` for a folder.
 */
export async function findInputFiles(addresses: readonly string[], cwd: string): Promise<InputFile[]> {
  const files = new Map<string | undefined, InputFile>()
  for (const address of addresses) {
    const names = address === stdinAddress || !isGlob(address, cwd) ? [address] : await namesOf(address, cwd)
    for (const name of names) {
      const file = name === stdinAddress ? stdin : fileOf(name, cwd)
      if (!files.has(file.path)) files.set(file.path, file)
    }
  }
  return [...files.values()]
}

/** The paths that were given, by which an action that writes files names its target; not those of a glob. */
export function targetsOf(addresses: readonly string[], cwd: string): string[] {
  const paths = addresses.filter((address) => address !== stdinAddress && !isDynamicPattern(address))
  return paths.map((path) => `files:${realPath(resolve(cwd, path))}`)
}

/** What names what is read, for people. */
export function shownAddresses(addresses: readonly string[]): string {
  return addresses
    .map((address) => (address === stdinAddress ? stdin.name : shownAddress(address)))
    .join(', ')
}

/** A file may have a name with brackets in it. */
function isGlob(address: string, cwd: string): boolean {
  return isDynamicPattern(address) && statOf(resolve(cwd, address)) === undefined
}

async function namesOf(pattern: string, cwd: string): Promise<string[]> {
  // A backslash is no separator in a pattern.
  const portable = process.platform === 'win32' ? pattern.replaceAll('\\', '/') : pattern
  const names = await glob(portable, { cwd, expandDirectories: false })
  if (names.length > 0) return names.sort(byNaturalOrder)
  throw new ReplayError('REPLAY_SOURCE_UNAVAILABLE', `No file is found by ${shownAddress(pattern)} in ${cwd}`)
}

const collator = new Intl.Collator('en', { numeric: true })

function byNaturalOrder(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : 1)
}

function fileOf(name: string, cwd: string): InputFile {
  const path = resolve(cwd, name)
  const stats = statOf(path)
  if (stats === undefined) {
    const isUrl = /^[a-z][a-z\d+.-]+:/i.test(name)
    const hint = isUrl ? '; no source is called so either' : ''
    throw new ReplayError(
      'REPLAY_SOURCE_UNAVAILABLE',
      `There is no file ${isUrl ? shownAddress(name) : shownAddress(path)}${hint}`,
    )
  }
  if (stats.isDirectory()) {
    throw new ReplayError(
      'REPLAY_SOURCE_INVALID',
      `${name} is a folder: name its files, as in ${name}/*.jsonl`,
    )
  }
  return { name, path, bytes: stats.isFile() ? stats.size : undefined }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EINVAL') return undefined
    throw new ReplayError(
      'REPLAY_SOURCE_UNAVAILABLE',
      `${path} cannot be read: ${(cause as Error).message}`,
      {
        cause,
      },
    )
  }
}
