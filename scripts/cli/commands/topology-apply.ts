/** `backstory topology apply`: declares what is missing. */
import { defineCommand } from '../command.ts'
import { exitCodes } from '../errors.ts'
import { planTable } from '../topology-report.ts'
import { exchangePositional, topologyOptions, withTopology } from '../topology-wanted.ts'

export const applyCommand = defineCommand({
  name: 'topology apply',
  summary: 'Declare what is missing; where something differs, declare nothing. Deletes nothing',
  positionals: { exchange: exchangePositional },
  options: topologyOptions,
  examples: [
    ['topology apply orders --consumer shipping.ts', 'Before a deployment'],
    ['topology apply orders invoices --consumer consumers.ts --json', 'What was there before, for a program'],
  ],
  async run({ json, ...typed }, cli) {
    const { applyTopology } = await import('../../../broker/index.ts')
    const before = await withTopology(cli, typed, applyTopology)
    const declared = before.items.filter(({ state }) => state === 'missing')
    if (json) await cli.output.json(before)
    else if (declared.length > 0)
      await cli.output.lines(planTable({ ...before, items: declared, toDelete: [] }))
    cli.say(declared.length === 0 ? 'All was there' : `Declared ${declared.length} of ${before.items.length}`)
    return exitCodes.ok
  },
})
