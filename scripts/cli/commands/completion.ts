/** `backstory completion`: a script by which a shell completes commands and options. */
import { type Command, defineCommand } from '../command.ts'
import { exitCodes, usageError } from '../errors.ts'

/** @param commands - Those it completes. */
export function completionCommand(commands: readonly Command[]): Command {
  const command: Command = defineCommand({
    name: 'completion',
    summary: 'Print a script that completes commands and options in bash, zsh or fish',
    positionals: { shell: { kind: 'one', describe: 'bash, zsh or fish' } },
    options: {},
    examples: [
      ['completion bash > /etc/bash_completion.d/backstory', 'For every user'],
      ['completion fish > ~/.config/fish/completions/backstory.fish', 'For fish'],
    ],
    async run({ shell: typed }, cli) {
      const { completionScript, shells } = await import('../completion.ts')
      const shell = shells.find((one) => one === typed)
      if (shell === undefined) {
        throw usageError(`No script for ${typed}, only for ${shells.join(', ')}`, {
          hint: 'backstory completion --help',
        })
      }
      await cli.output.write(completionScript(shell, [...commands, command]))
      return exitCodes.ok
    },
  })
  return command
}
