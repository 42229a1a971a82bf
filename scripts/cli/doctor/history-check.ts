/** A history: whether it opens, is whole at its ends, grows, and has a recorder. */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HistoryReader } from '../../../history/index.ts'
import { count } from '../progress.ts'
import { clockFinding } from './clock.ts'
import { type Check, type Finding, fail, ok, warn } from './examination.ts'

export interface HistoryCheckOptions {
  /** As it may be shown. */
  readonly shown: string
  /** Of a SQLite file; undefined for any other history. */
  readonly path: string | undefined
  open(): Promise<HistoryReader>
}

const watchMs = 500

export function historyCheck({ shown, path, open }: HistoryCheckOptions): Check {
  return {
    name: `history ${shown}`,
    async run(signal) {
      const reader = await open()
      signal.addEventListener('abort', () => void reader.close())
      try {
        const { first, head } = await reader.bounds()
        return [
          ...(await endFindings(reader, { first, head })),
          ...(path === undefined ? [] : [await writerFinding(path)]),
          await growthFinding(reader, head),
        ]
      } finally {
        await reader.close()
      }
    },
  }
}

async function endFindings(
  reader: HistoryReader,
  { first, head }: { first: number; head: number },
): Promise<Finding[]> {
  const exchange = await reader.exchange()
  if (head === 0) return [warn(`of exchange ${exchange} is empty: nothing was recorded yet`)]
  const newest = await reader.at(head)
  if (newest === undefined) {
    return [
      fail(
        `its newest position ${count(head)} is missing, though it was recorded: see \`backstory audit\`, restore it`,
      ),
    ]
  }
  const recordedAt = newest.recordedAt.getTime()
  return [
    ok(`of exchange ${exchange} opens, with positions ${count(first)} to ${count(head)}`),
    ...(first > 1
      ? [warn(`positions 1 to ${count(first - 1)} are no longer held: a new consumer does not get them`)]
      : []),
    ...(recordedAt > Date.now()
      ? [clockFinding('its recorder, when it last wrote,', recordedAt - Date.now())]
      : []),
  ]
}

/** The lock ends with its process, however that ends. */
async function writerFinding(path: string): Promise<Finding> {
  const { canonicalPath, lockFile } = await import('../../../history/index.ts')
  const lockPath = `${canonicalPath(path)}-writer`
  const lock = existsSync(lockPath) ? await lockFile(lockPath) : 'none'
  if (lock === undefined) return ok('a recorder has it open')
  if (lock !== 'none') lock.release()
  return warn(
    'no recorder has it open: what is published waits in the history queue; start `backstory record`',
  )
}

async function growthFinding(reader: HistoryReader, head: number): Promise<Finding> {
  await sleep(watchMs)
  const { head: now } = await reader.bounds()
  const newest = await reader.at(now)
  const grown =
    now > head
      ? `grew by ${count(now - head)} events while it was watched`
      : 'did not grow while it was watched'
  return ok(newest === undefined ? grown : `${grown}; last recorded ${newest.recordedAt.toISOString()}`)
}
