/** `backstory history list`: events of a history, a line each. */
import { defineCommand, historyOption } from '../command.ts'
import { exitCodes } from '../errors.ts'
import { listEvents, listOptions } from '../list-events.ts'

export const listCommand = defineCommand({
  name: 'history list',
  summary: 'List events of a history, oldest or newest first',
  positionals: {},
  options: { ...listOptions, history: historyOption },
  examples: [
    ['history list --last 20', 'The newest 20'],
    ['history list --type order.placed --subject EC-17', 'What was placed for one order'],
    ['history list --since 2h --newest-first', 'What was recorded in the last two hours'],
    ['history list --after 5000 --limit 0 --json', 'Everything after position 5000, for a program'],
  ],
  async run(typed, cli) {
    await listEvents(cli, typed)
    return exitCodes.ok
  },
})
