/** `backstory history import`: JSON lines into a history. */
import { defineCommand, historyOption, jsonOption } from '../command.ts'
import { exitCodes } from '../errors.ts'
import type { Reading } from '../progress.ts'
import { listOf } from '../table.ts'

export const importCommand = defineCommand({
  name: 'history import',
  summary: 'Read an export, or CloudEvents in JSON lines, into a history; may be run again',
  positionals: {
    from: {
      kind: 'one',
      describe: 'A folder or file of an export, a file of lines, or - for standard input',
    },
  },
  options: {
    history: historyOption,
    exchange: {
      type: 'text',
      value: 'EXCHANGE',
      describe: 'Whose history it is',
      defaultDescription: 'of the manifest, else of the history',
    },
    append: { type: 'flag', describe: 'As new events, whatever positions they had' },
    json: jsonOption,
  },
  examples: [
    ['history import orders-2026 --history new.db', 'What `history export` has written'],
    ['history import events.jsonl --exchange orders', 'CloudEvents of another program, as new events'],
    ['history import - --append < placed.jsonl', 'An export by a filter, as new events'],
  ],
  async run({ from, history, exchange, append, json }, cli) {
    const { importHistory } = await import('../../../history/index.ts')
    const { value: address } = await cli.writtenHistory(history)
    let reading: Reading = { done: 0 }
    const end = cli.progress({ unit: 'bytes', read: () => reading })
    try {
      const imported = await importHistory({
        from: from === '-' ? cli.stdin : cli.path(from),
        history: address,
        signal: cli.stopSignal(),
        onProgress: ({ bytes, total }) => {
          reading = { done: bytes, ...(total !== undefined && { total }) }
        },
        ...(exchange !== undefined && { exchange }),
        ...(append && { append }),
      })
      end()
      if (json) await cli.output.json(imported)
      else {
        const { exchange: name, head, imported: written, present, conflicts } = imported
        const figures = { exchange: name, imported: written, 'there already': present, head }
        await cli.output.lines(listOf({ ...figures, ...(conflicts > 0 && { conflicts }) }))
      }
      return exitCodes.ok
    } finally {
      end()
    }
  },
})
