/** `backstory history copy`: a whole history into another store. */
import { defineCommand, historyOption, jsonOption } from '../command.ts'
import { exitCodes } from '../errors.ts'
import { withHistory } from '../open-history.ts'
import { listOf } from '../table.ts'
import { transferProgress } from './history-export.ts'

export const copyCommand = defineCommand({
  name: 'history copy',
  summary: 'Copy a history into another store, event by event as it is; goes on where it was interrupted',
  positionals: {
    to: { kind: 'one', describe: 'A SQLite file or a postgres:// URL; made where there is none' },
  },
  options: { history: historyOption, json: jsonOption },
  examples: [
    ['history copy postgres://127.0.0.1/orders', 'The history that the settings name'],
    ['history copy orders.db --history postgres://127.0.0.1/orders', 'And back'],
  ],
  async run({ to, history, json }, cli) {
    const { copyHistory } = await import('../../../history/index.ts')
    const { value: address } = await cli.writtenHistory(to)
    const progress = transferProgress(cli)
    try {
      const { exchange, copied, summary } = await withHistory(cli, { history }, (reader) =>
        copyHistory(reader, { to: address, signal: cli.stopSignal(), onProgress: progress.onProgress }),
      )
      progress.end()
      const { position: head, checksum } = summary
      if (json) await cli.output.json({ exchange, copied, head, checksum })
      else await cli.output.lines(listOf({ exchange, copied, head, checksum }))
      return exitCodes.ok
    } finally {
      progress.end()
    }
  },
})
