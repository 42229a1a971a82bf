/** The command line as a function: arguments in, exit code out. */
import { Cli } from './cli.ts'
import type { Command } from './command.ts'
import { commands as allCommands } from './commands/all.ts'
import { CliError, codeOf, exitCodeOf, exitCodes } from './errors.ts'
import type { Io } from './io.ts'
import { parse } from './parse.ts'
import { visibleLine } from './screen.ts'

/** Runs a command line and resolves to its exit code; whatever goes wrong was told on standard error. */
export async function main(
  args: readonly string[],
  io: Io,
  commands: readonly Command[] = allCommands,
): Promise<number> {
  // Known before the arguments are: they may be wrong.
  const isVerbose = args.includes('--verbose')
  const cli = new Cli(io, {
    onLate(error) {
      report(error, cli, { isVerbose })
      io.exit(exitCodeOf(error))
    },
  })
  await cli.useLogger({ json: args.includes('--log-json'), verbose: isVerbose })
  try {
    const parsed = await parse(args, { commands, columns: io.stdout.columns || 100 })
    if ('command' in parsed) return await parsed.command.run(parsed.args, cli)
    if (parsed.isAsked) await cli.output.line(parsed.text)
    else cli.screen.line(parsed.text)
    return parsed.isAsked ? exitCodes.ok : exitCodes.usage
  } catch (error) {
    // What was left to do was to show more.
    if (error instanceof CliError && error.code === 'CLI_OUTPUT_CLOSED') return exitCodes.ok
    report(error, cli, { isVerbose })
    return exitCodeOf(error)
  } finally {
    cli.close()
  }
}

function report(error: unknown, cli: Cli, { isVerbose }: { isVerbose: boolean }): void {
  cli.screen.status('')
  const code = codeOf(error)
  const { message } = error instanceof Error ? error : { message: String(error) }
  if (cli.logsJson) {
    const details = code === undefined || isVerbose ? { stack: stackOf(error), causes: causesOf(error) } : {}
    cli.logger.error('command.failed', { code, error: message, ...details })
    return
  }
  if (code === undefined) {
    cli.screen.line(`This is a bug of Backstory, please report it:\n${stackOf(error)}`)
    return
  }
  // Commands to type stand on lines of their own.
  const [first = '', ...more] = message.split('\n')
  cli.screen.line(cli.screen.paint('red', `${code}: ${visibleLine(first)}`))
  for (const line of more) cli.screen.line(visibleLine(line))
  if (isVerbose) for (const cause of causesOf(error)) cli.screen.line(`caused by ${cause}`)
}

function causesOf(error: unknown): string[] {
  const causes = []
  for (let cause = (error as Error)?.cause; cause !== undefined; cause = (cause as Error)?.cause) {
    causes.push(stackOf(cause))
    // A chain that bites its tail.
    if (causes.length === 10) break
  }
  return causes
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
