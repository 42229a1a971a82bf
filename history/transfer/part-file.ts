/** A part being written: lines, each page a gzip member of its own where it is compressed, and their SHA-256. */
import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gzip as gzipCallback } from 'node:zlib'

const gzip = promisify(gzipCallback)

export class PartFile {
  readonly #file: FileHandle
  readonly #offset: number
  readonly #gzip: boolean
  readonly #hash = createHash('sha256')
  #bytes = 0
  /** One page is on its way to the disk while the next one is made. */
  #writing: Promise<void> = Promise.resolve()

  /**
   * @param options.offset - What the file has from there on is written over.
   * @throws the file system's error.
   */
  static async open(path: string, options: { offset: number; gzip: boolean }): Promise<PartFile> {
    return new PartFile(await open(path, options.offset === 0 ? 'w' : 'r+'), options)
  }

  private constructor(file: FileHandle, { offset, gzip }: { offset: number; gzip: boolean }) {
    this.#file = file
    this.#offset = offset
    this.#gzip = gzip
  }

  async write(text: string): Promise<void> {
    await this.#writing
    this.#writing = this.#write(Buffer.from(text))
    // Told by the next call; until then it must not count as nobody's.
    this.#writing.catch(() => {})
  }

  /** Resolves when it is on the disk. */
  async close(): Promise<{ readonly bytes: number; readonly sha256: string }> {
    await this.#writing
    await this.#file.sync()
    await this.#file.close()
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }

  /** Leaves it as it is. */
  async abandon(): Promise<void> {
    await this.#writing.catch(() => {})
    await this.#file.close().catch(() => {})
  }

  async #write(text: Buffer): Promise<void> {
    const bytes = this.#gzip ? await gzip(text, { level }) : text
    this.#hash.update(bytes)
    const at = this.#offset + this.#bytes
    this.#bytes += bytes.length
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, at + done)
      done += bytesWritten
    }
  }
}

const level = 3
