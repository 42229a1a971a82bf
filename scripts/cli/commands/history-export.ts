/** `backstory history export`: a history, or a range of it, as JSON lines that lose nothing. */
import { promisify } from 'node:util'
import { gzip as gzipCallback } from 'node:zlib'
import type { EventFilter, HistoryReader, Manifest, TransferProgress } from '../../../history/index.ts'
import type { Cli } from '../cli.ts'
import { defineCommand, historyOption, jsonOption } from '../command.ts'
import { exitCodes, usageError } from '../errors.ts'
import { filterOf, filterOptions } from '../event-selection.ts'
import { withHistory } from '../open-history.ts'
import { packageVersion } from '../package-version.ts'
import { count } from '../progress.ts'
import { listOf } from '../table.ts'

const hint = 'backstory history export --help'

export const exportCommand = defineCommand({
  name: 'history export',
  summary:
    'Write a history as CloudEvents in JSON lines, which lose nothing; goes on where it was interrupted',
  positionals: {
    to: { kind: 'one', describe: 'A file (.jsonl or .gz), a folder for parts, or - for standard output' },
  },
  options: {
    history: historyOption,
    after: { type: 'integer', min: 0, default: 0, describe: 'Begin behind this position' },
    'up-to': { type: 'integer', min: 0, describe: 'End with this position; default: the head' },
    ...filterOptions,
    gzip: { type: 'flag', describe: 'Compress; a file that ends in .gz is compressed anyway' },
    'part-events': { type: 'integer', min: 1, default: 100_000, describe: 'Events in a part at most' },
    json: jsonOption,
  },
  examples: [
    ['history export orders-2026 --gzip', 'A folder of parts, and a manifest'],
    ['history export orders.jsonl.gz --after 5000', 'One file, and a manifest beside it'],
    ['history export - --type order.placed | jq .data', 'A part of it, for another program'],
  ],
  async run({ to, history, after, 'up-to': upTo, gzip, 'part-events': partEvents, json, ...typed }, cli) {
    const chosen = filterOf(typed)
    const filter = Object.keys(chosen).length === 0 ? undefined : chosen
    const range = { after, upTo, filter }
    await withHistory(cli, { history }, async (reader) => {
      if (to === '-') {
        if (json) throw usageError('--json tells of a file or folder; what goes to - is JSON lines', { hint })
        await toOutput(cli, reader, { ...range, gzip })
      } else {
        const options = { ...range, to: cli.path(to), partEvents, ...(gzip && { gzip }) }
        await show(cli, await toFiles(cli, reader, options), { json })
      }
    })
    return exitCodes.ok
  },
})

interface Range {
  readonly after: number
  readonly upTo: number | undefined
  readonly filter: EventFilter | undefined
}

async function toFiles(
  cli: Cli,
  reader: HistoryReader,
  options: Range & { readonly to: string; readonly partEvents: number; readonly gzip?: boolean },
): Promise<Manifest> {
  const { exportHistory } = await import('../../../history/index.ts')
  const progress = transferProgress(cli)
  try {
    return await exportHistory(reader, {
      ...options,
      madeBy: `backstory ${packageVersion()}`,
      signal: cli.stopSignal(),
      onProgress: progress.onProgress,
    })
  } finally {
    progress.end()
  }
}

async function toOutput(
  cli: Cli,
  reader: HistoryReader,
  { gzip, ...range }: Range & { readonly gzip: boolean },
): Promise<void> {
  const { exportLines } = await import('../../../history/index.ts')
  const compress = promisify(gzipCallback)
  const progress = transferProgress(cli)
  try {
    const options = { ...range, signal: cli.stopSignal(), onProgress: progress.onProgress }
    // Each page is a gzip of its own, which together are one.
    for await (const lines of exportLines(reader, options)) {
      await cli.output.write(gzip ? await compress(lines) : lines)
      cli.output.requireReader()
    }
  } finally {
    progress.end()
  }
}

/** A bar of the positions that were gone through. */
export function transferProgress(cli: Cli): {
  onProgress(progress: TransferProgress): void
  end(): void
} {
  let reading: { done: number; total?: number } = { done: 0 }
  const end = cli.progress({ unit: 'positions', read: () => reading })
  return {
    onProgress: ({ position, upTo }) => {
      reading = { done: position, total: upTo }
    },
    end,
  }
}

async function show(cli: Cli, manifest: Manifest, { json }: { json: boolean }): Promise<void> {
  const { exchange, after, upTo, filter, count: events, checksum, parts } = manifest
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0)
  const figures = { exchange, after, upTo, events, bytes, parts: parts.length, checksum }
  if (json) await cli.output.json({ ...figures, filter })
  else {
    const positions = upTo > after ? `${count(after + 1)} to ${count(upTo)}` : 'none'
    const { after: _, upTo: __, ...shown } = figures
    await cli.output.lines(listOf({ ...shown, positions }))
  }
  if (filter !== null) cli.say('A part of the history, by a filter: it can be imported as new events only')
}
