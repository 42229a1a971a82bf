/** What `pattern test` is given: JSON as it was typed, or out of a file or standard input. */
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Cli } from './cli.ts'
import { CliError, usageError } from './errors.ts'
import { readLines } from './json-lines.ts'

const hint = 'backstory pattern test --help'
const textMax = 32 * 1_024 * 1_024

/** An event, with the line it stands on where there may be several. */
export interface ReadEvent {
  readonly line: number | undefined
  readonly event: unknown
}

/** @throws CliError `CLI_FILE_UNREADABLE`. */
export async function readPattern(cli: Cli, given: string): Promise<string> {
  if (isInline(given)) return given
  return await readFile(cli.path(given), 'utf8').catch(unreadable(given))
}

/**
 * One event, on however many lines, or an event a line. One line is held at a time, unless the first is no
 * JSON by itself.
 *
 * @throws CliError `CLI_USAGE` for what is no JSON object, naming the line; `CLI_FILE_UNREADABLE`.
 */
export async function* readEvents(cli: Cli, given: string): AsyncGenerator<ReadEvent> {
  if (isInline(given)) {
    yield { line: undefined, event: eventOf(given, '--event') }
    return
  }
  const stream = given === '-' ? cli.stdin : createReadStream(cli.path(given))
  const lines = readLines(stream)
  const pending: string[] = []
  let length = 0
  let isByLine: boolean | undefined
  try {
    for await (const { number, text, reason } of lines) {
      if (text === undefined) throw usageError(`Line ${number} ${reason}`, { hint })
      isByLine ??= parses(text)
      if (isByLine) {
        yield { line: number, event: eventOf(text, `line ${number}`) }
        continue
      }
      length += text.length
      if (length > textMax) throw usageError(`An event has at most ${textMax} characters`, { hint })
      pending.push(text)
    }
  } catch (error) {
    if (error instanceof CliError || given === '-') throw error
    return unreadable(given)(error)
  }
  if (isByLine === undefined)
    throw usageError(`${given === '-' ? 'Standard input' : given} has no event`, { hint })
  if (!isByLine)
    yield { line: undefined, event: eventOf(pending.join('\n'), given === '-' ? 'the event' : given) }
}

function isInline(given: string): boolean {
  return /^\s*[[{]/.test(given)
}

function parses(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function eventOf(text: string, where: string): unknown {
  let event: unknown
  try {
    event = JSON.parse(text)
  } catch (error) {
    throw usageError(`${where} is no JSON: ${(error as Error).message}`, { hint })
  }
  if (typeof event === 'object' && event !== null && !Array.isArray(event)) return event
  throw usageError(`${where} must be an event, a JSON object`, { hint })
}

function unreadable(file: string): (cause: unknown) => never {
  return (cause) => {
    throw new CliError('CLI_FILE_UNREADABLE', `${file} cannot be read: ${(cause as Error).message}`, {
      cause,
    })
  }
}
