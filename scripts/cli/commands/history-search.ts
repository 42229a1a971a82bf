/** `backstory history search`: events by what is in their bodies. */
import type { Pattern } from '../../../events/index.ts'
import type { Condition } from '../../../history/index.ts'
import type { Cli } from '../cli.ts'
import { defineCommand, historyOption } from '../command.ts'
import { exitCodes, usageError } from '../errors.ts'
import { listEvents, listOptions } from '../list-events.ts'
import { readPattern } from '../pattern-input.ts'

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
    pattern: {
      type: 'text',
      value: 'JSON|FILE',
      describe: 'An event pattern, on the event as --json shows it; several conditions at once',
    },
    ...listOptions,
    history: historyOption,
  },
  examples: [
    ['history search --text Köln', 'Wherever it is in the body'],
    ["history search --where '$.customer.id=42' --where '$.price>30000'", 'Both must hold'],
    ["history search --where '$.lines[*].sku=A-1' --type order.placed --since 3d", 'Any of the lines'],
    [
      `history search --pattern '{"type":["order.placed"],"data":{"price":[{"numeric":[">",30000]}]}}'`,
      'By a pattern',
    ],
    ["history search --where '$.coupon exists' --newest-first --limit 1 --json", 'The newest, for a program'],
  ],
  async run({ text, 'ignore-case': ignoreCase, where, pattern: given, ...typed }, cli) {
    if (text.length === 0 && where.length === 0 && given === undefined) {
      throw usageError('Give a --text, a --where or a --pattern; `history list` lists without', { hint })
    }
    if (text.includes('')) throw usageError('--text must not be empty', { hint })
    const asked = { '--text': text.length > 0, '--where': where.length > 0, '--pattern': given !== undefined }
    const options = Object.entries(asked).flatMap(([option, isAsked]) => (isAsked ? [option] : []))
    const conditions = await conditionsOf(where)
    const pattern = given === undefined ? undefined : await patternOf(cli, given)
    const body = { texts: text, ignoreCase, where: conditions, ...(pattern && { pattern }) }
    const found = await listEvents(cli, typed, { options, ...body })
    return found === 0 ? exitCodes.checkFailed : exitCodes.ok
  },
})

async function patternOf(cli: Cli, given: string): Promise<Pattern> {
  const { compilePattern, EventError } = await import('../../../events/index.ts')
  const text = await readPattern(cli, given)
  try {
    return compilePattern(text)
  } catch (error) {
    if (error instanceof EventError) throw usageError(`--pattern: ${error.message}`, { hint })
    throw error
  }
}

async function conditionsOf(texts: readonly string[]): Promise<Condition[]> {
  const { parseCondition } = await import('../../../history/index.ts')
  try {
    return texts.map((text) => parseCondition(text))
  } catch (error) {
    if (error instanceof TypeError) throw usageError(`--where: ${error.message}`, { hint })
    throw error
  }
}
