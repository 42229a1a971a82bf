/**
 * The files of a rebuild, beside the consumer's store: a lock, and a draft of the new tables.
 *
 * The lock ends with the process, however that ends; the draft of a rebuild that was killed is removed by
 * the next one.
 */
import { rm } from 'node:fs/promises'
import { canonicalPath, lockFile } from '../../history/index.ts'
import { ConsumerError } from '../errors.ts'
import { guard } from '../sqlite/sqlite-store.ts'

export interface RebuildFiles {
  /** Path of the draft; nothing is there yet. */
  readonly draft: string
  /** Removes the draft. */
  clear(): Promise<void>
  /** Removes the draft, and lets the next rebuild begin. */
  release(): Promise<void>
}

/** @throws ConsumerError `CONSUMER_REBUILD_RUNNING`, `CONSUMER_STORE_UNAVAILABLE`. */
export async function takeRebuildFiles(path: string, consumer: string): Promise<RebuildFiles> {
  const base = `${canonicalPath(path)}-${consumer}-rebuild`
  const lock = await guard(path, () => lockFile(base))
  if (lock === undefined) {
    throw new ConsumerError(
      'CONSUMER_REBUILD_RUNNING',
      `Consumer ${consumer} is being rebuilt in ${path} already; wait for the end of that, or end it`,
    )
  }
  const draft = `${base}.db`
  const clear = async () => {
    for (const suffix of ['', '-wal', '-shm', '-journal', `-${consumer}-consumer`])
      await rm(`${draft}${suffix}`, { force: true })
  }
  try {
    await clear()
  } catch (error) {
    lock.release()
    throw error
  }
  return {
    draft,
    clear,
    async release() {
      try {
        await clear()
      } finally {
        lock.release()
      }
    },
  }
}
