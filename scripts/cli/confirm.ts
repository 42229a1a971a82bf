/** Asks before something is removed for ever. */
import { createInterface } from 'node:readline/promises'
import type { Cli } from './cli.ts'
import { CliError, usageError } from './errors.ts'

/**
 * Resolves where a person at the terminal types `yes`, or where the command was given `--yes`.
 *
 * @throws CliError `CLI_USAGE` where nobody is there to ask, and `CLI_NOT_CONFIRMED` for any other answer.
 */
export async function confirm(
  cli: Cli,
  { what, yes, hint }: { what: string; yes: boolean; hint: string },
): Promise<void> {
  if (yes) return
  if (cli.stdin.isTTY !== true || !cli.screen.isTerminal)
    throw usageError(`${what}: nobody is there to confirm it; say --yes`, { hint })
  cli.say(`${what}. There is no way back. Type yes to go on:`)
  const lines = createInterface({ input: cli.stdin, terminal: false })
  try {
    for await (const line of lines) {
      if (line.trim().toLowerCase() === 'yes') return
      break
    }
  } finally {
    lines.close()
  }
  throw new CliError('CLI_NOT_CONFIRMED', 'Nothing was done')
}
