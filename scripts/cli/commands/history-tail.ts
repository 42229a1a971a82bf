/** `backstory history tail`: events as they are recorded. */
import { setTimeout as sleep } from 'node:timers/promises'
import { defineCommand, historyOption, jsonOption } from '../command.ts'
import { exitCodes } from '../errors.ts'
import { filterOf, filterOptions } from '../event-selection.ts'
import { newest, printer } from '../list-events.ts'
import { withHistory } from '../open-history.ts'

export const tailCommand = defineCommand({
  name: 'history tail',
  summary: 'Follow a history: the newest events, and each further one, until it is interrupted',
  positionals: {},
  options: {
    history: historyOption,
    lines: { type: 'integer', min: 0, default: 10, alias: 'n', describe: 'Begin with the newest so many' },
    after: { type: 'integer', min: 0, describe: 'Begin behind this position, instead of --lines' },
    ...filterOptions,
    json: { ...jsonOption, describe: 'CloudEvents as JSON lines, with position and recordedtime' },
  },
  examples: [
    ['history tail', 'The newest 10, and what comes'],
    ['history tail -n 0 --type order.cancelled', 'Cancellations from now on'],
    ['history tail --after 5000 --json', 'Everything after position 5000, for a program'],
  ],
  async run({ history, lines, after, json, ...typed }, cli) {
    const signal = cli.stopSignal()
    const filter = filterOf(typed)
    await withHistory(cli, { history }, async (reader) => {
      const show = printer(cli, { json })
      // Before the newest are read: what is recorded meanwhile must not be missed.
      let seen = after ?? (await reader.bounds()).head
      if (after === undefined && lines > 0) {
        await show(await newest(reader, { filter, upTo: seen, wanted: lines }))
      }
      while (!signal.aborted) {
        const { events, through } = await reader.select({ filter, after: seen })
        const isAtHead = through === seen
        seen = through
        await show(events)
        if (isAtHead) await sleep(pollMs, undefined, { signal }).catch(() => {})
      }
    })
    return exitCodes.ok
  },
})

const pollMs = 100
