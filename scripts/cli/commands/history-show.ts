/** `backstory history show`: one event, whole. */
import type { HistoryReader, StoredEvent } from '../../../history/index.ts'
import { defineCommand, historyOption, jsonOption } from '../command.ts'
import { CliError, exitCodes, usageError } from '../errors.ts'
import { eventJson, eventText } from '../event-view.ts'
import { withHistory } from '../open-history.ts'

const hint = 'backstory history show --help'

export const showCommand = defineCommand({
  name: 'history show',
  summary: 'Show all that was published of one event: properties, headers and body',
  positionals: { event: { kind: 'one', describe: 'Its position; with --source its id' } },
  options: {
    source: { type: 'text', value: 'SOURCE', describe: 'With the id it is the identity of an event' },
    history: historyOption,
    body: { type: 'flag', describe: 'Only the body, byte for byte' },
    json: { ...jsonOption, describe: 'All of it as JSON without loss, the body as base64' },
  },
  examples: [
    ['history show 17', 'The event at position 17'],
    ['history show order-17 --source /edison/sales', 'The event of that identity'],
    ['history show 17 --body > order.json', 'What was published, byte for byte'],
  ],
  async run({ event: named, source, history, body, json }, cli) {
    if (body && json) throw usageError('--body and --json do not go together', { hint })
    if (source === undefined && !/^[1-9]\d{0,15}$/.test(named)) {
      throw usageError(`${named} is no position; an id needs its --source`, { hint })
    }
    const { properties, event } = await withHistory(cli, { history }, async (reader) => {
      const found = await find(reader, named, source)
      const { encodeProperties } = await import('../../../events/index.ts')
      return { event: found, properties: encodeProperties(found.message.properties) }
    })
    if (body) await cli.output.write(event.message.body)
    else if (json) await cli.output.line(eventJson(event, properties))
    else await cli.output.lines(eventText(event, properties))
    return exitCodes.ok
  },
})

async function find(reader: HistoryReader, named: string, source: string | undefined): Promise<StoredEvent> {
  const event =
    source === undefined ? await reader.at(Number(named)) : await reader.find({ source, id: named })
  if (event !== undefined) return event
  const { first, head } = await reader.bounds()
  const what = source === undefined ? `position ${named}` : `event ${named} of ${source}`
  const bounds = head === 0 ? 'is empty' : `has positions ${first} to ${head}`
  throw new CliError(
    'CLI_NOT_FOUND',
    `There is no ${what}: the history of ${await reader.exchange()} ${bounds}`,
  )
}
