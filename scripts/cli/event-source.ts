/** Where `publish` takes its events from: a file, standard input, or the options themselves. */
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { type EventInput, isJsonText } from '../../events/index.ts'
import type { Cli } from './cli.ts'
import { CliError, usageError } from './errors.ts'
import { parseEvent } from './event-json.ts'
import { readLines } from './json-lines.ts'

/** An event, or why there is none. */
export type Entry = { readonly line: number | undefined } & (
  | { readonly event: EventInput; readonly reason?: undefined }
  | { readonly event?: undefined; readonly reason: string }
)

export interface EventSource {
  /** Ends early, without an error, after `end()`. */
  entries(): AsyncIterable<Entry>
  end(): void
  /** How much was read and how much there is, in bytes; undefined where that is not known. */
  extent(): { readonly read: number; readonly total: number } | undefined
}

export interface SingleEvent {
  readonly type: string | undefined
  readonly subject: string | undefined
  readonly data: string | undefined
  readonly source: string | undefined
  readonly id: string | undefined
  readonly header: readonly string[]
}

const hint = 'backstory publish --help'

/**
 * @param options.file - A path, or `-` for standard input; undefined where the options are the event.
 * @throws CliError `CLI_USAGE` where it is not clear what is meant; `CLI_FILE_UNREADABLE`.
 */
export async function openEventSource(
  cli: Cli,
  { file, single }: { file: string | undefined; single: SingleEvent },
): Promise<EventSource> {
  const { type, subject, data, id, header } = single
  if (type !== undefined) {
    if (file !== undefined) throw usageError('Either a file, or one event by --type', { hint })
    return oneEvent(eventOf({ ...single, type }))
  }
  const stray = Object.entries({ subject, data, id }).find(([, value]) => value !== undefined)
  if (stray !== undefined || header.length > 0) {
    throw usageError(`--${stray?.[0] ?? 'header'} belongs to one event, which needs a --type`, { hint })
  }
  if (file === undefined && cli.stdin.isTTY === true) {
    throw usageError('Nothing to publish: name a file, - for standard input, or --type', { hint })
  }
  if (file === undefined || file === '-') return streamSource(cli.stdin)
  return await fileSource(cli.path(file))
}

function eventOf({ type, subject, data, id, header }: SingleEvent & { type: string }): EventInput {
  return {
    type,
    ...(subject !== undefined && { subject }),
    ...(id !== undefined && { id }),
    ...(data !== undefined && { data: jsonOf(data), contentType: 'application/json' }),
    ...(header.length > 0 && { headers: Object.fromEntries(header.map(headerOf)) }),
  }
}

/** The text that was typed, once it is known to be JSON. */
function jsonOf(text: string): Buffer {
  if (isJsonText(text)) return Buffer.from(text)
  throw usageError(`--data must be JSON, a text in double quotes, and not ${text}`, { hint })
}

function headerOf(text: string): [name: string, value: string] {
  const at = text.indexOf('=')
  if (at < 1) throw usageError(`--header must be NAME=VALUE, and not ${text}`, { hint })
  return [text.slice(0, at), text.slice(at + 1)]
}

function oneEvent(event: EventInput): EventSource {
  return {
    async *entries() {
      yield { line: undefined, event }
    },
    end() {},
    extent: () => undefined,
  }
}

async function fileSource(path: string): Promise<EventSource> {
  try {
    const file = await open(path)
    const stats = await file.stat()
    if (stats.isDirectory()) throw new Error('it is a folder')
    const stream = file.createReadStream({ highWaterMark: chunkBytes })
    const extent = () => ({ read: stream.bytesRead, total: stats.size })
    // A pipe or a device has no size to be measured against.
    return { ...streamSource(stream), extent: () => (stats.isFile() ? extent() : undefined) }
  } catch (cause) {
    throw new CliError('CLI_FILE_UNREADABLE', `${path} cannot be read: ${(cause as Error).message}`, {
      cause,
    })
  }
}

const chunkBytes = 1024 * 1024

function streamSource(stream: Readable): EventSource {
  let isEnded = false
  return {
    async *entries() {
      try {
        for await (const { number, text, reason } of readLines(stream)) {
          yield text === undefined ? { line: number, reason: reason! } : entryOf(number, text)
        }
      } catch (cause) {
        // A stream that was ended in the middle says so with an error.
        if (isEnded) return
        if (!(cause instanceof Error) || typeof (cause as NodeJS.ErrnoException).syscall !== 'string')
          throw cause
        throw new CliError('CLI_FILE_UNREADABLE', `The events cannot be read: ${cause.message}`, { cause })
      }
    },
    end() {
      isEnded = true
      stream.destroy()
    },
    extent: () => undefined,
  }
}

function entryOf(line: number, text: string): Entry {
  try {
    return { line, event: parseEvent(text) }
  } catch (error) {
    if (error instanceof TypeError) return { line, reason: error.message }
    throw error
  }
}
