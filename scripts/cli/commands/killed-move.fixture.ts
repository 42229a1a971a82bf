/** Exports and imports in processes of their own, killed in the middle. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

const entry = fileURLToPath(new URL('../../backstory.ts', import.meta.url))

export function startBackstory(t: TestContext, args: readonly string[], cwd: string): ChildProcess {
  // As this process is run; `--import tsx` is found from here, and not from that folder.
  const execArgv = process.execArgv.map((arg) => (arg === 'tsx' ? import.meta.resolve(arg) : arg))
  const child = spawn(process.execPath, [...execArgv, entry, ...args], { cwd, stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  return child
}

/**
 * Kills a process once the files of a folder have so many bytes.
 *
 * @returns False where it had ended before.
 */
export async function killAtBytes(
  child: ChildProcess,
  { folder, bytes }: { folder: string; bytes: number },
): Promise<boolean> {
  mkdirSync(folder, { recursive: true })
  const watcher = watch(folder, () => {
    if (bytesIn(folder) >= bytes) child.kill('SIGKILL')
  })
  try {
    await once(child, 'exit')
  } finally {
    watcher.close()
  }
  return child.signalCode === 'SIGKILL'
}

/** In all files of a folder; what is renamed or removed meanwhile is left out. */
export function bytesIn(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => {
    return sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0)
  }, 0)
}

/** The names of a folder's files, and what is in them. */
export function contentsOf(folder: string): Map<string, string> {
  return new Map(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(join(folder, name)).toString('base64')]),
  )
}
