/** `backstory topology lint`: what is wrong with a topology, or will be after an upgrade. */
import { defineCommand } from '../command.ts'
import { exitCodes, usageError } from '../errors.ts'
import { count } from '../progress.ts'
import { findingLines, sayNotJudged } from '../topology-report.ts'
import { exchangePositional, topologyOptions, withTopology } from '../topology-wanted.ts'

export const lintCommand = defineCommand({
  name: 'topology lint',
  summary: 'Look for what is wrong with exchanges and their queues on this version of RabbitMQ',
  positionals: { exchange: exchangePositional },
  options: {
    ...topologyOptions,
    queue: {
      type: 'texts',
      value: 'NAME',
      describe: 'A further queue that is meant to be bound; may be given several times',
    },
    'for-version': {
      type: 'text',
      value: 'VERSION',
      describe: 'Judge for this version of RabbitMQ, before an upgrade to it',
      defaultDescription: "the broker's own",
    },
  },
  examples: [
    ['topology lint orders --consumer shipping.ts', 'Exit code 1 where there is a finding'],
    [
      'topology lint orders --management http://guest:guest@localhost:15672 --for-version 4.3',
      'Before an upgrade',
    ],
  ],
  async run({ json, queue, 'for-version': forVersion, ...typed }, cli) {
    if (forVersion !== undefined && !/^\d{1,4}\.\d{1,4}([.+-]|$)/.test(forVersion)) {
      throw usageError('--for-version must be a version such as 4.3', {
        hint: 'backstory topology lint --help',
      })
    }
    const { lintTopology } = await import('../../../broker/index.ts')
    const lint = await withTopology(cli, typed, (broker, options) =>
      lintTopology(broker, { ...options, knownQueues: queue, forVersion }),
    )
    if (json) await cli.output.json(lint)
    else await cli.output.lines(findingLines(lint))
    sayNotJudged(cli, lint.notJudged)
    const { findings, version = 'of no known version' } = lint
    const found =
      findings.length === 0
        ? 'No finding'
        : findings.length === 1
          ? '1 finding'
          : `${count(findings.length)} findings`
    cli.say(`${found} for RabbitMQ ${version}`)
    return findings.length === 0 ? exitCodes.ok : exitCodes.checkFailed
  },
})
