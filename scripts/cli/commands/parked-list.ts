/** `backstory parked list` and `backstory parked groups`: what is parked, one by one or by the kind of failure. */
import type { ParkedList } from '../../../consumers/index.ts'
import { defineCommand, jsonOption } from '../command.ts'
import { exitCodes, usageError } from '../errors.ts'
import {
  consumerOption,
  groupOption,
  openParked,
  partOf,
  partOption,
  storePositional,
  subjectOption,
} from '../parked-selection.ts'
import { entryJson, groupJson, groupsTable, ParkedTable } from '../parked-view.ts'
import { count } from '../progress.ts'

const hint = 'backstory parked list --help'
const pageSize = 1_000
const states = ['parked', 'discarded', 'mended'] as const

export const parkedListCommand = defineCommand({
  name: 'parked list',
  summary: 'List the parked events of a consumer, by number',
  positionals: { store: storePositional },
  options: {
    consumer: consumerOption,
    group: groupOption,
    subject: subjectOption,
    part: partOption,
    state: {
      type: 'text',
      value: 'STATE',
      describe: 'parked, discarded, or mended: applied as it was edited',
      defaultDescription: 'parked',
    },
    after: { type: 'integer', min: 0, default: 0, describe: 'Begin behind this number' },
    limit: { type: 'integer', min: 0, default: 100, describe: 'Events at most; 0 for all' },
    json: jsonOption,
  },
  examples: [
    ['parked list shipping.db', 'The first hundred'],
    ['parked list shipping.db --group 1f6c2a90b4de --limit 0 --json', 'A whole group, for a program'],
  ],
  async run({ store, consumer, group, subject, part, state = 'parked', after, limit, json }, cli) {
    const wanted = states.find((one) => one === state)
    if (wanted === undefined) throw usageError(`--state is ${states.join(', ')}, not ${state}`, { hint })
    const chosen: ParkedList = { group, subject, part: partOf(part, hint), state: wanted }
    await using events = await openParked(cli, { store, consumer })
    const table = new ParkedTable()
    let left = limit === 0 ? Number.POSITIVE_INFINITY : limit
    for (let last = after; left > 0; ) {
      const page = await events.list({ ...chosen, after: last, limit: Math.min(left, pageSize) })
      if (page.length === 0) break
      await cli.output.lines(json ? page.map(entryJson) : table.page(page))
      cli.output.requireReader()
      left -= page.length
      last = page.at(-1)!.number
      if (left === 0 && (await events.list({ ...chosen, after: last, limit: 1 })).length > 0)
        cli.say(`More follow: --after ${last}`)
    }
    return exitCodes.ok
  },
})

export const parkedGroupsCommand = defineCommand({
  name: 'parked groups',
  summary: 'Show the parked events of a consumer by the kind of their failure',
  positionals: { store: storePositional },
  options: { consumer: consumerOption, json: jsonOption },
  examples: [['parked groups shipping.db', 'The largest group first']],
  async run({ store, consumer, json }, cli) {
    await using events = await openParked(cli, { store, consumer })
    const groups = await events.groups()
    if (json) await cli.output.lines(groups.map(groupJson))
    else if (groups.length > 0) await cli.output.lines(groupsTable(groups))
    const parked = groups.reduce((sum, group) => sum + group.events + group.waiting, 0)
    cli.say(parked === 0 ? 'Nothing is parked' : `${count(parked)} parked, in ${count(groups.length)} groups`)
    return exitCodes.ok
  },
})
