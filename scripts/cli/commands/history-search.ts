/** `backstory history search`: events by what is in their bodies. */
import type { Condition } from '../../../history/index.ts'
import { defineCommand, historyOption } from '../command.ts'
import { exitCodes, usageError } from '../errors.ts'
import { listEvents, listOptions } from '../list-events.ts'

const hint = 'backstory history search --help'

export const searchCommand = defineCommand({
  name: 'history search',
  summary: 'Search the bodies of a history: for a text, or for conditions on JSON',
  positionals: {},
  options: {
    text: { type: 'texts', value: 'TEXT', describe: 'In the body as it was published; several: all of them' },
    'ignore-case': { type: 'flag', alias: 'i', describe: 'For --text' },
    where: {
      type: 'texts',
      value: 'CONDITION',
      describe: "On JSON: '$.customer.id=42', with =, !=, <, <=, >, >= or exists; several: all of them",
    },
    ...listOptions,
    history: historyOption,
  },
  examples: [
    ['history search --text Köln', 'Wherever it is in the body'],
    ["history search --where '$.customer.id=42' --where '$.price>30000'", 'Both must hold'],
    ["history search --where '$.lines[*].sku=A-1' --type order.placed --since 3d", 'Any of the lines'],
    ["history search --where '$.coupon exists' --newest-first --limit 1 --json", 'The newest, for a program'],
  ],
  async run({ text, 'ignore-case': ignoreCase, where, ...typed }, cli) {
    if (text.length === 0 && where.length === 0) {
      throw usageError('Give a --text or a --where; `history list` lists without', { hint })
    }
    if (text.includes('')) throw usageError('--text must not be empty', { hint })
    const options = [...(text.length > 0 ? ['--text'] : []), ...(where.length > 0 ? ['--where'] : [])]
    const conditions = await conditionsOf(where)
    const found = await listEvents(cli, typed, { options, texts: text, ignoreCase, where: conditions })
    return found === 0 ? exitCodes.checkFailed : exitCodes.ok
  },
})

async function conditionsOf(texts: readonly string[]): Promise<Condition[]> {
  const { parseCondition } = await import('../../../history/index.ts')
  try {
    return texts.map((text) => parseCondition(text))
  } catch (error) {
    if (error instanceof TypeError) throw usageError(`--where: ${error.message}`, { hint })
    throw error
  }
}
