/** `backstory parked show`: one parked event, with its error, its message and what was done to it. */
import { defineCommand, jsonOption } from '../command.ts'
import { CliError, exitCodes, usageError } from '../errors.ts'
import { consumerOption, numberOf, openParked, storePositional } from '../parked-selection.ts'
import { detailsJson, detailsText } from '../parked-view.ts'

const hint = 'backstory parked show --help'

export const parkedShowCommand = defineCommand({
  name: 'parked show',
  summary: 'Show one parked event: its error, its message, and what was done to it',
  positionals: { store: storePositional, number: { kind: 'one', describe: 'Its number' } },
  options: {
    consumer: consumerOption,
    body: { type: 'flag', describe: 'Only the body that a retry would be given, byte for byte' },
    json: { ...jsonOption, describe: 'All of it as JSON without loss, the body as base64' },
  },
  examples: [
    ['parked show shipping.db 17', 'The event, its error and its stack'],
    ['parked show shipping.db 17 --body > order.json', 'To edit it: parked edit shipping.db 17 order.json'],
  ],
  async run({ store, number, consumer, body, json }, cli) {
    if (body && json) throw usageError('--body and --json do not go together', { hint })
    const wanted = numberOf(number, hint)
    await using events = await openParked(cli, { store, consumer })
    const details = await events.get(wanted)
    if (details === undefined)
      throw new CliError('CLI_NOT_FOUND', `No event ${wanted} is parked: it was applied, or never was`)
    const { encodeProperties } = await import('../../../events/index.ts')
    if (body) await cli.output.write(details.message.body)
    else if (json)
      await cli.output.line(detailsJson(details, ({ properties }) => encodeProperties(properties)))
    else await cli.output.lines(detailsText(details))
    return exitCodes.ok
  },
})
