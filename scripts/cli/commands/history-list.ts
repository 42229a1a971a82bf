/** `backstory history list`: events of a history, a line each. */
import type { HistoryReader, StoredEvent } from '../../../history/index.ts'
import type { Cli } from '../cli.ts'
import { defineCommand, historyOption, jsonOption } from '../command.ts'
import { exitCodes, usageError } from '../errors.ts'
import { EventTable } from '../event-table.ts'
import { withHistory } from '../open-history.ts'

export const listCommand = defineCommand({
  name: 'history list',
  summary: 'List events of a history in their order',
  positionals: {},
  options: {
    history: historyOption,
    after: { type: 'integer', min: 0, default: 0, describe: 'Begin behind this position' },
    limit: { type: 'integer', min: 0, default: 100, describe: 'Events at most; 0 for all' },
    last: { type: 'integer', min: 1, describe: 'The newest so many, instead of --limit' },
    type: { type: 'text', value: 'TYPE', describe: 'Events of this type only' },
    subject: { type: 'text', value: 'SUBJECT', describe: 'Events of this subject only' },
    json: { ...jsonOption, describe: 'CloudEvents as JSON lines, with position and recordedtime' },
  },
  examples: [
    ['history list --last 20', 'The newest 20'],
    ['history list --type order.placed --subject EC-17', 'What was placed for one order'],
    ['history list --after 5000 --limit 0 --json', 'Everything after position 5000, for a program'],
  ],
  async run({ history, after, limit, last, type, subject, json }, cli) {
    if (last !== undefined && limit !== listLimit) {
      throw usageError('--last and --limit do not go together', { hint: 'backstory history list --help' })
    }
    const choice: Choice = { after, type, subject }
    await withHistory(cli, { history }, async (reader) => {
      const show = printer(cli, { json })
      if (last !== undefined) await show(await newest(reader, last, choice))
      else
        await listForward(
          reader,
          { ...choice, limit: limit === 0 ? Number.POSITIVE_INFINITY : limit },
          show,
          cli,
        )
    })
    return exitCodes.ok
  },
})

const listLimit = 100
const pageSize = 500

export interface Choice {
  readonly after: number
  readonly type: string | undefined
  readonly subject: string | undefined
}

type Show = (events: readonly StoredEvent[]) => Promise<void>

export function printer(cli: Cli, { json }: { json: boolean }): Show {
  const table = new EventTable()
  return async (events) => {
    if (json) {
      const { eventLine } = await import('../../../history/index.ts')
      await cli.output.lines(events.map(eventLine))
    } else if (events.length > 0) await cli.output.lines(table.page(events))
  }
}

async function listForward(
  reader: HistoryReader,
  { limit, ...choice }: Choice & { limit: number },
  show: Show,
  cli: Cli,
): Promise<void> {
  let left = limit
  for (let { after } = choice; left > 0; ) {
    const page = await reader.read({ after, limit: Math.min(pageSize, isFiltered(choice) ? pageSize : left) })
    if (page.length === 0) return
    const chosen = page.filter(matches(choice)).slice(0, left)
    await show(chosen)
    left -= chosen.length
    after = left === 0 ? chosen.at(-1)!.position : page.at(-1)!.position
    if (left === 0 && (await reader.bounds()).head > after) cli.say(`More may follow: --after ${after}`)
  }
}

/** The newest events of a choice, in position order; the last pages are read first. */
export async function newest(reader: HistoryReader, wanted: number, choice: Choice): Promise<StoredEvent[]> {
  const { first, head } = await reader.bounds()
  const lowest = Math.max(choice.after, first - 1)
  const size = isFiltered(choice) ? pageSize : Math.min(pageSize, wanted)
  let found: StoredEvent[] = []
  for (let upTo = head; upTo > lowest && found.length < wanted; upTo -= size) {
    const page = await reader.read({ after: Math.max(upTo - size, lowest), upTo, limit: size })
    found = [...page.filter(matches(choice)), ...found]
  }
  return found.slice(-wanted)
}

function isFiltered({ type, subject }: Choice): boolean {
  return type !== undefined || subject !== undefined
}

export function matches({ type, subject }: Choice): (event: StoredEvent) => boolean {
  return (event) =>
    (type === undefined || event.type === type) && (subject === undefined || event.subject === subject)
}
