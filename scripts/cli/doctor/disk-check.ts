/** The disk under a file: whether there is room, against the file's size and growth. */
import { existsSync } from 'node:fs'
import { stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { count } from '../progress.ts'
import { type Check, type Finding, fail, ok, warn } from './examination.ts'

export interface DiskCheckOptions {
  readonly path: string
  /** Whether the room is missing that is kept for deleting from a full disk. */
  lacksReserve?(): Promise<boolean>
  /** Events of the last day, and of all; undefined where that is not known. */
  growth?(): Promise<{ readonly lastDay: number; readonly all: number } | undefined>
}

const mebibyte = 1_024 * 1_024
/** The write-ahead log and a batch need about so much. */
const roomMin = 64 * mebibyte
const daysMin = 14
const decade = 3_650

export function diskCheck({
  path,
  lacksReserve = async () => false,
  growth = async () => undefined,
}: DiskCheckOptions): Check {
  return {
    name: `disk of ${path}`,
    async run() {
      const { bavail, bsize } = await statfs(existingFolder(path))
      const room = bavail * bsize
      const size = existsSync(path) ? (await stat(path)).size : 0
      return [
        roomFinding({ room, size, growth: await growth() }),
        ...((await lacksReserve())
          ? [
              warn(
                'no reserve is beside it, so that nothing could be deleted were the disk full: its recorder makes one of 8 MiB where 32 are free',
              ),
            ]
          : []),
      ]
    },
  }
}

/** @param options.growth - Events of the last day, and of all. */
export function roomFinding({
  room,
  size,
  growth,
}: {
  room: number
  size: number
  growth: { readonly lastDay: number; readonly all: number } | undefined
}): Finding {
  const free = `${mebibytes(room)} MiB are free, the file has ${mebibytes(size)}`
  if (room < roomMin)
    return fail(
      `${free}: the disk is full or nearly so; make room, or move it. Deleting works on a full disk too`,
    )
  const perDay = growth === undefined || growth.all === 0 ? 0 : (size / growth.all) * growth.lastDay
  const days = perDay === 0 ? undefined : Math.floor(room / perDay)
  if (days !== undefined && days < daysMin)
    return warn(
      `${free}: at the last day's pace that is enough for ${count(days)} days; make room, or keep less`,
    )
  if (days === undefined) return ok(free)
  const enough = days > decade ? 'more than ten years' : `${count(days)} days`
  return ok(`${free}: at the last day's pace enough for ${enough}`)
}

function mebibytes(bytes: number): string {
  return count(Math.round(bytes / mebibyte))
}

function existingFolder(path: string): string {
  const folder = dirname(path)
  return existsSync(folder) || folder === path ? folder : existingFolder(folder)
}
