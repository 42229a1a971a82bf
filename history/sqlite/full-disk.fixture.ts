/** A small file system of a test's own, which can be filled to its last byte. It takes root, on Linux. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export interface SmallDisk {
  readonly folder: string
  /** Leaves not one byte. */
  fill(): void
  /** Takes the filling away. */
  empty(): void
  /** In bytes. */
  readonly room: number
}

/** Whether this process may mount one; else a test of it is skipped, with this reason. */
export const noSmallDisk: string | false =
  process.platform === 'linux' && process.getuid?.() === 0 && canMount() ? false : 'takes root on Linux'

export function smallDisk(t: TestContext, { mebibytes }: { mebibytes: number }): SmallDisk {
  const folder = mount(mebibytes)
  t.after(() => unmount(folder))
  const filling = join(folder, 'filling')
  return {
    folder,
    fill: () => fill(filling),
    empty: () => rmSync(filling, { force: true }),
    get room() {
      const { bavail, bsize } = statfsSync(folder)
      return bavail * bsize
    },
  }
}

function canMount(): boolean {
  try {
    unmount(mount(1))
    return true
  } catch {
    return false
  }
}

function mount(mebibytes: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'backstory-disk-'))
  const options = ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'backstory-test', folder]
  execFileSync('mount', options, { stdio: 'ignore' })
  return folder
}

function unmount(folder: string): void {
  execFileSync('umount', ['--lazy', folder])
  rmdirSync(folder)
}

function fill(path: string): void {
  const file = openSync(path, 'a')
  try {
    for (const bytes of [1_048_576, 4_096, 1]) {
      const filling = Buffer.alloc(bytes, 'x')
      while (wrote(file, filling)) {}
    }
  } finally {
    closeSync(file)
  }
}

function wrote(file: number, filling: Buffer): boolean {
  try {
    return writeSync(file, filling) > 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false
    throw error
  }
}
