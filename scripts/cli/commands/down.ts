/** `backstory down`: the end of the development broker. */
import { defineCommand, jsonOption } from '../command.ts'
import { exitCodes } from '../errors.ts'

export const downCommand = defineCommand({
  name: 'down',
  summary: 'End the development broker that `up` started, and keep its data',
  positionals: {},
  options: {
    folder: {
      type: 'text',
      value: 'DIR',
      describe: "The broker's state and data",
      defaultDescription: './.backstory',
    },
    json: jsonOption,
  },
  examples: [['down', 'End it; `up` starts it again with all that it held']],
  async run({ folder, json }, cli) {
    const { down } = await import('../../services/dev-broker.ts')
    const ended = await down({ folder: cli.path(folder ?? '.backstory'), say: (line) => cli.say(line) })
    if (json) await cli.output.json(ended)
    return exitCodes.ok
  },
})
