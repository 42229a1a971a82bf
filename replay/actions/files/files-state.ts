/** How far files have come, as a checkpoint holds it. */
import { ReplayError } from '../../errors.ts'

/** A file of the template, which may be several: its parts. */
export interface OutputFile {
  /** Below the folder, with `/`, without the number of a part. */
  readonly path: string
  /** That is written now: 1, 2, 3 …; 0 before the first. */
  readonly part: number
  /** Of that part, or of its journal. */
  readonly bytes: number
  readonly events: number
  /** What comes next begins another part. */
  readonly isPacked: boolean
}

export interface FilesState {
  readonly template: string
  readonly files: readonly [path: string, part: number, bytes: number, events: number, isPacked: boolean][]
}

export function stateOf(template: string, files: Iterable<OutputFile>): FilesState {
  return {
    template,
    files: Array.from(files, ({ path, part, bytes, events, isPacked }) => [
      path,
      part,
      bytes,
      events,
      isPacked,
    ]),
  }
}

/** @throws ReplayError `REPLAY_CHECKPOINT_FOREIGN` where it is of other files. */
export function filesOf(state: unknown, template: string): OutputFile[] {
  if (state === undefined || state === null) return []
  const { template: before, files } = state as FilesState
  if (before === template)
    return files.map(([path, part, bytes, events, isPacked]) => ({ path, part, bytes, events, isPacked }))
  throw new ReplayError(
    'REPLAY_CHECKPOINT_FOREIGN',
    `The run has written to files:${before}, not files:${template}`,
  )
}

/** `orders.jsonl.gz` is in parts `orders-00001.jsonl.gz`, `orders-00002.jsonl.gz` … */
export function partName(path: string, part: number, { isSplit }: { isSplit: boolean }): string {
  if (part === 1 && !isSplit) return path
  const [ending] = /(?:\.(?:jsonl|ndjson|json|csv|parquet))?(?:\.gz)?$/i.exec(path)!
  return `${path.slice(0, path.length - ending.length)}-${String(part).padStart(5, '0')}${ending}`
}
