/**
 * A place in files, as the token of an event: behind which event of which file, and by what it is seen that the
 * file is still the one it was. What a file has got behind that place since then does no harm.
 */
import { createHash } from 'node:crypto'
import { ReplayError } from '../../errors.ts'
import type { InputFile } from './input-file.ts'

export interface ResumePoint {
  /** Its name. */
  readonly file: string
  /** Of the names and sizes of the files before it. */
  readonly earlier: string
  /** Of its first bytes as they are on the disk; undefined for a pipe. */
  readonly head: string | undefined
  /** Just behind the event; of a compressed file as it is not compressed. */
  readonly offset: number
  /** Number of the event over all files. */
  readonly event: number
  /** Number of the event in its file. */
  readonly number: number
  /** On which it ends; undefined in a token that was written before this was kept. */
  readonly line: number | undefined
  readonly isInArray: boolean
  /** Nothing that is behind it can be read: the next file is. */
  readonly isLast: boolean
  /** Of the event's bytes; undefined where it was none that could be read. */
  readonly last: string | undefined
}

export function tokenText(point: ResumePoint): string {
  return JSON.stringify(point)
}

/** @throws ReplayError `REPLAY_CHECKPOINT_FOREIGN` where it is none of `tokenText`. */
export function parseToken(text: string): ResumePoint {
  let point: Partial<ResumePoint> | undefined
  try {
    point = JSON.parse(text) as Partial<ResumePoint>
  } catch {
    point = undefined
  }
  const isPoint =
    typeof point?.file === 'string' &&
    typeof point.earlier === 'string' &&
    [point.offset, point.event, point.number].every((one) => Number.isSafeInteger(one) && one! >= 0)
  if (isPoint) return point as ResumePoint
  throw new ReplayError('REPLAY_CHECKPOINT_FOREIGN', `${text} is no place in a file of JSON`)
}

/** What bytes are known by again: how many there are, and a hash of them. */
export function checkOf(bytes: string | Uint8Array): string {
  const length = typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length
  return `${length}:${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}`
}

/** Of how many bytes a check is. */
export function bytesOfCheck(check: string | undefined): number {
  return check === undefined ? 0 : Number.parseInt(check, 10)
}

/** For each file, what those before it are known by again: their names and sizes. */
export function checksOfEarlier(files: readonly InputFile[]): string[] {
  const checks: string[] = []
  let check = ''
  for (const { name, bytes = null } of files) {
    checks.push(check)
    check = checkOf(JSON.stringify([check, name, bytes]))
  }
  return checks
}
