/**
 * The bytes of a file, in chunks, the next of which is read while one is looked at. A chunk is valid until the
 * next but one is asked for: there are two buffers, however long the file is.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { ReplayError } from '../../errors.ts'

const chunkBytes = 128 * 1024

export class FileBytes {
  readonly #path: string
  readonly #file: FileHandle

  private constructor(path: string, file: FileHandle) {
    this.#path = path
    this.#file = file
  }

  /** @throws ReplayError `REPLAY_SOURCE_UNAVAILABLE`. */
  static async open(path: string): Promise<FileBytes> {
    return new FileBytes(path, await told(path, open(path)))
  }

  /** The first bytes, so many at most. Not for a pipe, of which they would be gone. */
  async head(bytes: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(bytes)
    let filled = 0
    while (filled < bytes) {
      const { bytesRead } = await told(this.#path, this.#file.read(buffer, filled, bytes - filled, filled))
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return buffer.subarray(0, filled)
  }

  /** @param from - Undefined reads on from where it is, as a pipe must. */
  async *chunks(from: number | undefined): AsyncGenerator<Buffer> {
    const buffers = [Buffer.allocUnsafe(chunkBytes), Buffer.allocUnsafe(chunkBytes)] as const
    let position = from ?? null
    let turn = 0
    const read = async () => {
      const buffer = buffers[turn++ % 2]!
      const { bytesRead } = await told(this.#path, this.#file.read(buffer, 0, chunkBytes, position))
      if (position !== null) position += bytesRead
      return buffer.subarray(0, bytesRead)
    }
    let next = read()
    try {
      for (;;) {
        const chunk = await next
        if (chunk.length === 0) return
        next = read()
        // It is looked at when it is its turn.
        next.catch(() => {})
        yield chunk
      }
    } finally {
      await next.catch(() => {})
    }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

async function told<Result>(path: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work
  } catch (cause) {
    throw new ReplayError(
      'REPLAY_SOURCE_UNAVAILABLE',
      `${path} cannot be read: ${(cause as Error).message}`,
      {
        cause,
      },
    )
  }
}
