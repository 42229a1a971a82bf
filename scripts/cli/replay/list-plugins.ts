/** What `backstory replay` can read and do: every built-in source and action, with its options. */
import type { ActionPlugin, SourcePlugin } from '../../../replay/index.ts'
import type { Cli } from '../cli.ts'
import { exitCodes } from '../errors.ts'

export async function listPlugins(cli: Cli): Promise<number> {
  const { builtinPlugins } = await import('../../../replay/index.ts')
  const lines = [
    'Sources, for --from:',
    ...(await builtinPlugins('source')).flatMap(linesOf),
    '',
    'Actions, for --to:',
    ...(await builtinPlugins('action')).flatMap(linesOf),
    '',
    'Your own: ./FILE.ts or package:NAME, a module that exports `source` or `action`',
  ]
  await cli.output.lines(lines)
  return exitCodes.ok
}

function linesOf({ address, summary, options }: SourcePlugin | ActionPlugin): string[] {
  const width = Math.max(0, ...Object.keys(options).map((name) => name.length))
  const described = Object.entries(options).map(([name, what]) => `      ${name.padEnd(width)}  ${what}`)
  return ['', `  ${address}`, `    ${summary}`, ...described]
}
