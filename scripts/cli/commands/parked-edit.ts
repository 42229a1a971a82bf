/** `backstory parked edit`: change what a retry gives to the handler; the original is kept. */
import { readFile } from 'node:fs/promises'
import type { ParkedChange } from '../../../consumers/index.ts'
import type { Cli } from '../cli.ts'
import { defineCommand, jsonOption } from '../command.ts'
import { CliError, exitCodes, usageError } from '../errors.ts'
import { consumerOption, markOptions, numberOf, openParked, storePositional } from '../parked-selection.ts'
import { detailsJson, detailsText } from '../parked-view.ts'

const hint = 'backstory parked edit --help'
const bytesMax = 128 * 1_024 * 1_024

export const parkedEditCommand = defineCommand({
  name: 'parked edit',
  summary: 'Change what a retry gives to the handler; what was published is kept beside it',
  positionals: {
    store: storePositional,
    number: { kind: 'one', describe: 'Its number' },
    file: { kind: 'optional', describe: 'A file with the whole new body, or - for standard input' },
  },
  options: {
    consumer: consumerOption,
    data: { type: 'text', value: 'JSON', describe: 'The new body, instead of a file' },
    'content-type': { type: 'text', value: 'TYPE', describe: 'Of the new body' },
    header: { type: 'texts', value: 'NAME=VALUE', describe: 'One more header, or another value for it' },
    ...markOptions,
    json: { ...jsonOption, describe: 'The event as it is then, as JSON without loss' },
  },
  examples: [
    [`parked edit shipping.db 17 --data '{"price":35800}' --reason 'a typo'`, 'Another body'],
    ['parked edit shipping.db 17 order.json', 'From a file; then: parked retry ./shipping.ts 17'],
  ],
  async run({ store, number, file, consumer, data, header, reason, json, ...rest }, cli) {
    const dryRun = rest['dry-run']
    const wanted = numberOf(number, hint)
    const contentType = rest['content-type']
    const change: ParkedChange = {
      ...(await bodyOf(cli, { file, data })),
      ...(contentType !== undefined && { contentType }),
      ...(header.length > 0 && { headers: Object.fromEntries(header.map(headerOf)) }),
    }
    await using events = await openParked(cli, { store, consumer })
    const edited = await events.edit(wanted, change, { reason, dryRun }).catch((error: unknown) => {
      throw error instanceof TypeError ? usageError(error.message, { hint }) : error
    })
    if (edited === undefined) throw new CliError('CLI_NOT_FOUND', `No event ${wanted} is parked`)
    const { encodeProperties } = await import('../../../events/index.ts')
    if (json) await cli.output.line(detailsJson(edited, ({ properties }) => encodeProperties(properties)))
    else if (dryRun) await cli.output.lines(detailsText(edited))
    cli.say(dryRun ? 'It would be so; nothing was changed' : `Event ${wanted} is edited; retry it now`)
    return exitCodes.ok
  },
})

/** @throws CliError `CLI_USAGE`, `CLI_FILE_UNREADABLE`. */
async function bodyOf(
  cli: Cli,
  { file, data }: { file: string | undefined; data: string | undefined },
): Promise<ParkedChange> {
  if (file !== undefined && data !== undefined)
    throw usageError('--data and a file do not go together', { hint })
  if (data !== undefined) {
    // As it was typed: parsed and written again, long numbers would lose digits.
    requireJson(data)
    return { body: Buffer.from(data), contentType: 'application/json' }
  }
  if (file === undefined) return {}
  return { body: file === '-' ? await readAll(cli) : await readBody(cli, file) }
}

async function readBody(cli: Cli, file: string): Promise<Buffer> {
  try {
    return await readFile(cli.path(file))
  } catch (cause) {
    throw new CliError('CLI_FILE_UNREADABLE', `${file} cannot be read: ${(cause as Error).message}`, {
      cause,
    })
  }
}

async function readAll(cli: Cli): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of cli.stdin) {
    const part = Buffer.from(chunk as Buffer)
    bytes += part.length
    if (bytes > bytesMax) throw usageError(`A body has at most ${bytesMax} bytes`, { hint })
    chunks.push(part)
  }
  return Buffer.concat(chunks)
}

function requireJson(text: string): void {
  try {
    JSON.parse(text)
  } catch (error) {
    throw usageError(`--data is no JSON: ${(error as Error).message}`, { hint })
  }
}

function headerOf(typed: string): [string, string] {
  const at = typed.indexOf('=')
  if (at < 1) throw usageError(`--header is NAME=VALUE, not ${typed}`, { hint })
  return [typed.slice(0, at), typed.slice(at + 1)]
}
