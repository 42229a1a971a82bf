/** `backstory history stats`: what there is in a history, in figures and charts. */
import type { HistoryReader } from '../../../history/index.ts'
import type { Cli } from '../cli.ts'
import { defineCommand, historyOption, jsonOption } from '../command.ts'
import { exitCodes } from '../errors.ts'
import { isWhole, type PositionRange, rangeOf, rangeOptions, showScan } from '../event-selection.ts'
import { withHistory } from '../open-history.ts'

export const statsCommand = defineCommand({
  name: 'history stats',
  summary: 'Show what is in a history: counts by type, source and day, rates, sizes',
  positionals: {},
  options: {
    ...rangeOptions,
    quick: { type: 'flag', describe: 'Only what an index serves: no sources and no sizes' },
    days: { type: 'integer', min: 1, max: 36_600, default: 30, describe: 'The newest so many, day by day' },
    history: historyOption,
    json: { ...jsonOption, describe: 'The figures as JSON, one object' },
  },
  examples: [
    ['history stats', 'All of it; looks at every event, without its body'],
    ['history stats --quick', 'Without a look at every event'],
    ['history stats --since 24h --json', 'Of the last day, for a program'],
  ],
  async run({ history, json, quick, days, ...typed }, cli) {
    const statistics = await withHistory(cli, { history }, async (reader) => {
      const range = await rangeOf(reader, typed)
      return await collect(cli, reader, {
        range,
        isWhole: isWhole(typed),
        isQuick: quick,
        daysMax: days,
      })
    })
    if (json) await cli.output.json(statistics)
    else {
      const { statisticsText } = await import('../statistics/text.ts')
      await cli.output.lines(statisticsText(statistics, cli.canvas))
    }
    if (quick) {
      const left = statistics.types === undefined ? 'types, subjects, sources and sizes' : 'sources and sizes'
      cli.say(`Left out by --quick, since no index serves it: ${left}`)
    }
    return exitCodes.ok
  },
})

async function collect(
  cli: Cli,
  reader: HistoryReader,
  { range, ...options }: { range: PositionRange; isWhole: boolean; isQuick: boolean; daysMax: number },
) {
  const { collectStatistics } = await import('../statistics/collect.ts')
  const signal = cli.stopSignal()
  let scanned = range.after
  const scan = {
    by: ['sources', 'sizes'],
    events: range.upTo - range.after,
    done: () => scanned - range.after,
  }
  const end = options.isQuick ? () => {} : showScan(cli, scan)
  try {
    return await collectStatistics(reader, {
      ...range,
      ...options,
      signal,
      onScanned: (position) => {
        scanned = position
      },
    })
  } finally {
    end()
  }
}
