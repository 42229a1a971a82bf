/** What imported events follow: the head, or what lies below them in the history that they come from. */
import { Checksum } from '../events/index.ts'
import { notNext } from './import-conflict.ts'
import type { Checkpoint } from './reader.ts'
import type { ImportBatch } from './writer.ts'

/**
 * @param end - Of the history that is imported into; its checksum is undefined in an empty one.
 * @returns The sums below the first event. They need a checkpoint where they are not those of `end`.
 * @throws HistoryError `HISTORY_CONFLICT` where the batch does not begin behind the head.
 */
export function importStart(
  { base, pruned }: Pick<ImportBatch, 'base' | 'pruned'>,
  end: { readonly head: number; readonly checksum: string | undefined; readonly unidentified: number },
  history: string,
): Checkpoint {
  const { head } = end
  if (base !== undefined && head > 0) throw notNext(history, { position: base.position + 1, head })
  const below = base ?? { position: head, checksum: end.checksum, unidentified: end.unidentified }
  const checksum = new Checksum(below.checksum)
  if (pruned === undefined) return { ...below, checksum: checksum.toString() }
  if (pruned.first !== below.position + 1) {
    throw notNext(history, { position: pruned.first, head: below.position })
  }
  checksum.addAll(pruned.checksum)
  return {
    position: pruned.last,
    checksum: checksum.toString(),
    unidentified: below.unidentified + pruned.unidentified,
  }
}
