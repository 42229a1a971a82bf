/** `backstory history head`: how far a history goes. */
import { defineCommand, historyOption, jsonOption } from '../command.ts'
import { exitCodes } from '../errors.ts'
import { withHistory } from '../open-history.ts'
import { listOf } from '../table.ts'

export const headCommand = defineCommand({
  name: 'history head',
  summary: 'Show how far a history goes: head, count, checksum, first and last event',
  positionals: {},
  options: { history: historyOption, json: jsonOption },
  examples: [
    ['history head', 'The history that the settings name'],
    ['history head --history orders.db --json', 'For a program'],
  ],
  async run({ history, json }, cli) {
    const head = await withHistory(cli, { history }, async (reader) => {
      const { position, count, checksum, unidentified } = await reader.summary()
      const { first } = await reader.bounds()
      const [oldest, newest] = await Promise.all([reader.at(first), reader.at(position)])
      return {
        exchange: await reader.exchange(),
        head: position,
        count,
        checksum,
        unidentified,
        first: oldest && { position: first, time: oldest.time, recordedAt: oldest.recordedAt.toISOString() },
        last: newest && { position, time: newest.time, recordedAt: newest.recordedAt.toISOString() },
      }
    })
    if (json) await cli.output.json(head)
    else {
      const { exchange, first, last, unidentified, ...figures } = head
      const ofEvent = (event: typeof first) =>
        event &&
        `position ${event.position}, published ${event.time ?? '(no time)'}, recorded ${event.recordedAt}`
      await cli.output.lines(
        listOf({
          exchange,
          ...figures,
          'without id': unidentified,
          first: ofEvent(first),
          last: ofEvent(last),
        }),
      )
    }
    return exitCodes.ok
  },
})
