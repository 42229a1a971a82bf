/**
 * Files of JSON as a source, and standard input: lines, an array, values one after the other, with gzip or
 * without. What they hold is found by looking; no name has to say it.
 *
 * It reads a chunk at a time, when it is asked for: memory is some chunks and the longest event, whether an array
 * has ten elements or ten million.
 */
import { PluginOptions } from '../../options.ts'
import type { PluginTarget, Source, SourcePage, SourcePlugin, SourceSize } from '../../source.ts'
import { ByteStream } from './byte-stream.ts'
import type { FileEvent } from './file-event.ts'
import { FileReading } from './file-reading.ts'
import { GzipDamage } from './gunzip.ts'
import { findInputFiles, type InputFile, shownAddresses, targetsOf } from './input-file.ts'
import { bytesBehind, requireSameFiles, requireSameHead } from './resume.ts'
import { checkOf, checksOfEarlier, parseToken, type ResumePoint } from './resume-token.ts'
import { withPauses } from './with-pauses.ts'

const defaultEventBytesMax = 64 * 1024 * 1024
/** A string of JavaScript holds no more than 512 Mi characters. */
const eventBytesMaxMost = 256 * 1024 * 1024
const pageEvents = 5_000
/** In place of a file's name, where `files` names them all. */
const noFile = 'json'

export const source: SourcePlugin = {
  address: 'FILE, a glob, -, json',
  summary: 'Files of JSON, gzip or not: lines, an array, or one object after the other; - is standard input',
  options: {
    files: 'More files and globs, read in this order behind the address; all of them, where that is `json`',
    eventBytesMax: 'Longest event in bytes, up to 268435456; a longer one is unreadable. Default 67108864',
  },
  create(target: PluginTarget): Source {
    const options = new PluginOptions(target)
    const files = options.texts('files') ?? []
    const eventBytesMax = options.whole('eventBytesMax', { min: 1, max: eventBytesMaxMost })
    options.end()
    const { address, context } = target
    const addresses = address === noFile && files.length > 0 ? files : [address, ...files]
    return new JsonSource(addresses, { eventBytesMax: eventBytesMax ?? defaultEventBytesMax, context })
  },
}

type Context = Pick<PluginTarget['context'], 'cwd' | 'stdin'>

class JsonSource implements Source {
  readonly name: string
  readonly targets: readonly string[]
  readonly #addresses: readonly string[]
  readonly #eventBytesMax: number
  readonly #context: Context
  #files: readonly InputFile[] = []
  /** For each file, a check of those before it. */
  #earlier: readonly string[] = []
  #bytes = 0

  constructor(
    addresses: readonly string[],
    { eventBytesMax, context }: { eventBytesMax: number; context: Context },
  ) {
    this.name = shownAddresses(addresses)
    this.targets = targetsOf(addresses, context.cwd)
    this.#addresses = addresses
    this.#eventBytesMax = eventBytesMax
    this.#context = context
  }

  async open(): Promise<SourceSize> {
    this.#files = await findInputFiles(this.#addresses, this.#context.cwd)
    this.#earlier = checksOfEarlier(this.#files)
    for (const file of this.#files) {
      if (file.bytes === undefined) continue
      // One that cannot be read is told before anything is acted on.
      const stream = await this.#open(file)
      try {
        await stream.check()
      } finally {
        await stream.close()
      }
    }
    const sizes = this.#files.map(({ bytes }) => bytes)
    return sizes.includes(undefined) ? {} : { bytes: sizes.reduce<number>((sum, size) => sum + size!, 0) }
  }

  async *read({
    after,
    signal,
  }: {
    after: string | undefined
    signal: AbortSignal
  }): AsyncGenerator<SourcePage> {
    let point = after === undefined ? undefined : parseToken(after)
    let index = point === undefined ? 0 : requireSameFiles(point, this.#files)
    let before = point === undefined ? 0 : point.event - point.number
    if (point?.isLast === true) {
      index += 1
      before = point.event
      point = undefined
    }
    for (const { bytes = 0 } of this.#files.slice(0, index)) this.#bytes += bytes
    for (; index < this.#files.length && !signal.aborted; index++) {
      before += yield* this.#readFile(index, { point, before, signal })
      point = undefined
    }
  }

  async close(): Promise<void> {}

  /** @returns How many events it has. */
  async *#readFile(
    index: number,
    { point, before, signal }: { point: ResumePoint | undefined; before: number; signal: AbortSignal },
  ): AsyncGenerator<SourcePage, number> {
    const file = this.#files[index]!
    const stream = await this.#open(file)
    try {
      if (point !== undefined) await requireSameHead(point, stream)
      const head = await stream.head()
      const reading = new FileReading({
        name: file.name,
        before,
        earlier: this.#earlier[index]!,
        head: head && checkOf(head),
        bytesMax: this.#eventBytesMax,
        ...(point !== undefined && { from: point }),
      })
      let damage: string | undefined
      try {
        for await (const chunk of this.#chunks(stream, { point, signal })) {
          yield* this.#pages(chunk === undefined ? [] : reading.push(chunk))
          if (chunk === undefined) yield { events: [], bytes: this.#bytes }
          if (signal.aborted) return reading.number
        }
      } catch (error) {
        if (!(error instanceof GzipDamage)) throw error
        damage = `the gzip file is damaged from here on: ${error.message}`
      }
      if (!signal.aborted) yield* this.#pages(reading.end(damage))
      return reading.number
    } finally {
      await stream.close()
    }
  }

  async #open(file: InputFile): Promise<ByteStream> {
    const onBytes = (count: number) => {
      this.#bytes += count
    }
    return await ByteStream.open(file, { stdin: this.#context.stdin, onBytes })
  }

  /** undefined where nothing came for a second. */
  async *#chunks(
    stream: ByteStream,
    { point, signal }: { point: ResumePoint | undefined; signal: AbortSignal },
  ): AsyncGenerator<Uint8Array | undefined> {
    const chunks = point === undefined ? stream.read(0) : bytesBehind(point, stream)
    if (stream.isPipe) yield* withPauses(chunks, signal)
    else yield* chunks
  }

  *#pages(events: readonly FileEvent[]): Generator<SourcePage> {
    for (let at = 0; at < events.length; at += pageEvents) {
      yield {
        events: at === 0 && events.length <= pageEvents ? events : events.slice(at, at + pageEvents),
        bytes: this.#bytes,
      }
    }
  }
}
