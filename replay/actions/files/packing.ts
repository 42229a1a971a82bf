/** Makes the file of a part out of its journal. It is there as a whole, or not at all. */
import { createReadStream, createWriteStream } from 'node:fs'
import { rename } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { ReplayError } from '../../errors.ts'
import type { Mapping } from '../../mapping/mapping.ts'
import { loadParquet, packParquet } from './parquet.ts'

export interface Packing {
  /** Loads what it needs. @throws ReplayError `REPLAY_DRIVER_MISSING`. */
  open(): Promise<void>
  pack(paths: { readonly journal: string; readonly file: string }): Promise<void>
}

export const gzipPacking: Packing = {
  async open() {},
  async pack({ journal, file }) {
    await pipeline(createReadStream(journal), createGzip(), createWriteStream(file))
  },
}

export function parquetPacking(mapping: Mapping): Packing {
  return {
    async open() {
      await loadParquet()
    },
    pack: (paths) => packParquet(mapping, paths),
  }
}

export const journalEnding = '.journal'
export const packingEnding = '.packing'

/** @throws ReplayError `REPLAY_ACTION_UNAVAILABLE` where the disk is full, such. */
export async function pack(packing: Packing, file: string): Promise<void> {
  const unfinished = `${file}${packingEnding}`
  try {
    await packing.pack({ journal: `${file}${journalEnding}`, file: unfinished })
    await rename(unfinished, file)
  } catch (cause) {
    throw new ReplayError(
      'REPLAY_ACTION_UNAVAILABLE',
      `${file} cannot be written: ${(cause as Error).message}; its events are in ${file}${journalEnding}`,
      { cause },
    )
  }
}
