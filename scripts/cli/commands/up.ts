/** `backstory up`: a development broker. */
import { brokerOption, defineCommand, jsonOption } from '../command.ts'
import { exitCodes } from '../errors.ts'

export const upCommand = defineCommand({
  name: 'up',
  summary: 'Start a development broker, or find the one that is up, and print its URL',
  positionals: {},
  options: {
    folder: {
      type: 'text',
      value: 'DIR',
      describe: "The broker's state and data",
      defaultDescription: './.backstory',
    },
    broker: {
      ...brokerOption,
      defaultDescription: 'BACKSTORY_BROKER, backstory.config, else one is started',
    },
    json: jsonOption,
  },
  examples: [
    ['up', 'Start RabbitMQ for development'],
    ['up --json', 'Also tell which way it took: given, installed, compose or apt'],
  ],
  async run({ folder, broker, json }, cli) {
    const setting = await cli.broker(broker)
    const { redactUrl } = await import('../../../broker/index.ts')
    const { up } = await import('../../services/dev-broker.ts')
    const say = (line: string) => cli.say(line)
    const given = setting.origin === 'default' ? [undefined] : setting.value
    let first: Awaited<ReturnType<typeof up>> | undefined
    // Each node of a cluster that was named is to answer.
    for (const url of given) {
      const found = await up({ url, folder: cli.path(folder ?? '.backstory'), say })
      first ??= found
    }
    const { url, how, alreadyUp } = first!
    if (json) await cli.output.json({ url: redactUrl(url), how, alreadyUp })
    else await cli.output.line(redactUrl(url))
    return exitCodes.ok
  },
})
