/** `backstory topology plan`: what is there, what is missing, what differs. */
import { defineCommand } from '../command.ts'
import { exitCodes } from '../errors.ts'
import { planTable, sayNotJudged, summaryOf } from '../topology-report.ts'
import { exchangePositional, topologyOptions, withTopology } from '../topology-wanted.ts'

export const planCommand = defineCommand({
  name: 'topology plan',
  summary: 'Show what would be declared, what differs and what would have to be deleted; changes nothing',
  positionals: { exchange: exchangePositional },
  options: topologyOptions,
  examples: [
    ['topology plan orders --consumer shipping.ts', 'Exit code 1 where there is something to do'],
    [
      'topology plan orders --management http://guest:guest@localhost:15672',
      'With bindings and all arguments',
    ],
  ],
  async run({ json, ...typed }, cli) {
    const { planTopology } = await import('../../../broker/index.ts')
    const plan = await withTopology(cli, typed, planTopology)
    if (json) await cli.output.json(plan)
    else await cli.output.lines(planTable(plan))
    sayNotJudged(cli, plan.notJudged)
    cli.say(plan.isUpToDate ? 'Nothing to do' : summaryOf(plan))
    return plan.isUpToDate ? exitCodes.ok : exitCodes.checkFailed
  },
})
