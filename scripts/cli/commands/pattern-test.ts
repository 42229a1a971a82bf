/** `backstory pattern test`: does an event match a pattern, and why not. */
import type { Pattern, PatternFinding } from '../../../events/index.ts'
import { defineCommand, jsonOption } from '../command.ts'
import { codeOf, exitCodes, usageError } from '../errors.ts'
import { readEvents, readPattern } from '../pattern-input.ts'
import { visibleLine } from '../screen.ts'

const hint = 'backstory pattern test --help'

export const patternTestCommand = defineCommand({
  name: 'pattern test',
  summary: 'Does an event match an event pattern? Exit code 0: it does, 1: it does not, 2: one is invalid',
  positionals: {},
  options: {
    pattern: { type: 'text', value: 'JSON|FILE', describe: 'The pattern: JSON, or a file with it' },
    event: {
      type: 'text',
      value: 'JSON|FILE',
      describe: 'The event: JSON, or a file with it or with an event a line; - reads standard input',
    },
    explain: { type: 'flag', describe: 'Field by field, what matched or why nothing did' },
    json: { ...jsonOption, describe: 'A line of JSON for each event' },
  },
  examples: [
    [
      `pattern test --pattern '{"detail":{"price":[{"numeric":[">",100]}]}}' --event event.json`,
      'From a file',
    ],
    [`pattern test --pattern pattern.json --event '{"source":"shop"}' --explain`, 'Why it does not match'],
    ['pattern test --pattern pattern.json --event events.jsonl', 'Several: 0 where one of them matches'],
  ],
  async run({ pattern: given, event, explain, json }, cli) {
    if (given === undefined) throw usageError('Name the pattern with --pattern', { hint })
    if (event === undefined) throw usageError('Name the event with --event', { hint })
    const { compilePattern, withJsonData } = await import('../../../events/index.ts')
    const pattern = compilePattern(await readPattern(cli, given))
    let events = 0
    let matched = 0
    let isNumbered = false
    for await (const { line, event: one } of readEvents(cli, event)) {
      events += 1
      const judged = judge(pattern, withJsonData(one), { explain })
      matched += Number(judged.matched)
      isNumbered = line !== undefined
      if (json) await cli.output.json({ line, ...judged })
      else await cli.output.lines(linesOf({ line, ...judged }))
    }
    if (isNumbered && !json) cli.say(`${matched} of ${events} match`)
    return matched > 0 ? exitCodes.ok : exitCodes.checkFailed
  },
})

interface Judged {
  readonly matched: boolean
  /** Undefined where nobody asked. */
  readonly findings: readonly PatternFinding[] | undefined
}

function judge(pattern: Pattern, event: unknown, { explain }: { explain: boolean }): Judged {
  try {
    return { matched: pattern.matches(event), findings: explain ? pattern.explain(event) : undefined }
  } catch (error) {
    // An event that cannot be judged is an invalid one here, and no failure of a consumer.
    if (codeOf(error) === 'EVENT_TOO_DEEP') throw usageError((error as Error).message, { hint })
    throw error
  }
}

function linesOf({
  line,
  matched: isMatch,
  findings = [],
}: Judged & { line: number | undefined }): readonly string[] {
  const where = line === undefined ? '' : `line ${line}: `
  const lines = [`${where}${isMatch ? 'match' : 'no match'}`]
  const several = !isMatch && findings.some(({ alternative }) => alternative > 1)
  let shown = 0
  for (const { path, matched, reason, alternative } of findings) {
    if (several && alternative !== shown) lines.push(`  combination ${alternative} of $or:`)
    shown = alternative
    const what = `${matched ? 'yes' : 'no '}  ${path === '' ? '' : `${path}: `}${reason}`
    lines.push(`${several ? '    ' : '  '}${visibleLine(what)}`)
  }
  return lines
}
