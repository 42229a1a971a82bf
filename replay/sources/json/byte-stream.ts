/** The bytes of a file, a pipe or standard input, as they are when not compressed. */
import { ReplayError } from '../../errors.ts'
import { FileBytes } from './file-bytes.ts'
import { gunzipped, isGzip } from './gunzip.ts'
import type { InputFile } from './input-file.ts'

/** What a file is known by again. */
const headBytes = 64 * 1024

export interface ByteStreamOptions {
  readonly stdin: NodeJS.ReadableStream
  /** Told of bytes as they are looked at, compressed where they are, or passed over. */
  onBytes(count: number): void
}

export class ByteStream {
  readonly name: string
  /** Nothing may come for a long time, and what has come does not come again. */
  readonly isPipe: boolean
  readonly #file: FileBytes | undefined
  readonly #options: ByteStreamOptions

  private constructor(
    { name, bytes }: InputFile,
    { file, ...options }: ByteStreamOptions & { file: FileBytes | undefined },
  ) {
    this.name = name
    this.isPipe = bytes === undefined
    this.#file = file
    this.#options = options
  }

  /** @throws ReplayError `REPLAY_SOURCE_UNAVAILABLE`. */
  static async open(input: InputFile, options: ByteStreamOptions): Promise<ByteStream> {
    const { path } = input
    const file = path === undefined ? undefined : await FileBytes.open(path)
    return new ByteStream(input, { ...options, file })
  }

  /** The first bytes as they are on the disk, so many at most; undefined of a pipe. */
  async head(bytes = headBytes): Promise<Buffer | undefined> {
    return this.isPipe ? undefined : await this.#file!.head(bytes)
  }

  /** @throws ReplayError `REPLAY_SOURCE_INVALID`, as `read`; of a pipe not before that. */
  async check(): Promise<void> {
    this.#refuse((await this.head(magicBytes)) ?? Buffer.alloc(0))
  }

  /**
   * @param from - The offset to begin with. What is compressed, or a pipe, is read from its beginning.
   * @throws GzipDamage. ReplayError `REPLAY_SOURCE_UNAVAILABLE`, or `REPLAY_SOURCE_INVALID` for what is not read
   *   here, such as zstd or UTF-16.
   */
  async *read(from: number): AsyncGenerator<Uint8Array> {
    const fileHead = await this.head(magicBytes)
    if (fileHead !== undefined && !isGzip(fileHead)) {
      this.#refuse(fileHead)
      this.#options.onBytes(from)
      yield* this.#counted(this.#file!.chunks(from))
      return
    }
    const { head, chunks } = await beginningOf(this.#rawChunks())
    this.#refuse(head)
    const { onBytes } = this.#options
    yield* skipped(isGzip(head) ? gunzipped(chunks, onBytes) : this.#counted(chunks), from)
  }

  /** Ends what is waited for, too. Idempotent. */
  async close(): Promise<void> {
    const { stdin } = this.#options
    const closed = this.#file?.close()
    // That of a pipe waits for the read that is under way, which may take for ever.
    if (this.isPipe) closed?.catch(() => {})
    else await closed
    // A read of standard input would keep the process alive.
    if (closed === undefined && 'destroy' in stdin && typeof stdin.destroy === 'function') stdin.destroy()
  }

  #rawChunks(): AsyncGenerator<Uint8Array> {
    return this.#file?.chunks(this.isPipe ? undefined : 0) ?? bytesOf(this.#options.stdin)
  }

  async *#counted(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.#options.onBytes(chunk.length)
      yield chunk
    }
  }

  #refuse(head: Uint8Array): void {
    const found = others.find(([, ...magic]) => magic.every((byte, at) => head[at] === byte))
    if (found === undefined) return
    throw new ReplayError(
      'REPLAY_SOURCE_INVALID',
      `${this.name} is ${found[0]}, which is not read: turn it into UTF-8 or gzip, or give it as standard input`,
    )
  }
}

const magicBytes = 6
const others: readonly (readonly [name: string, ...magic: number[]])[] = [
  ['zstd', 0x28, 0xb5, 0x2f, 0xfd],
  ['xz', 0xfd, 0x37, 0x7a, 0x58, 0x5a],
  ['bzip2', 0x42, 0x5a, 0x68],
  ['a ZIP archive', 0x50, 0x4b, 0x03, 0x04],
  ['UTF-16', 0xff, 0xfe],
  ['UTF-16', 0xfe, 0xff],
]

/** As many of the first chunks as hold the bytes that tell what it is; they come again. */
async function beginningOf(
  source: AsyncGenerator<Uint8Array>,
): Promise<{ head: Uint8Array; chunks: AsyncGenerator<Uint8Array> }> {
  let head: Buffer = Buffer.alloc(0)
  while (head.length < magicBytes) {
    const { value, done } = await source.next()
    if (done === true) break
    head = Buffer.concat([head, value])
  }
  async function* chunks() {
    if (head.length > 0) yield head
    yield* source
  }
  return { head, chunks: chunks() }
}

async function* skipped(chunks: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes
  for await (const chunk of chunks) {
    if (left < chunk.length) yield left === 0 ? chunk : chunk.subarray(left)
    left = Math.max(0, left - chunk.length)
  }
}

async function* bytesOf(stream: NodeJS.ReadableStream): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}
