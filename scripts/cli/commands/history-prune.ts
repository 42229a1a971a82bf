/** `backstory history prune`: retention, by age or size. */
import { ageOf } from '../amounts.ts'
import { defineCommand, historyOption, jsonOption } from '../command.ts'
import { exitCodes, usageError } from '../errors.ts'
import { count } from '../progress.ts'
import { rulesOf } from '../prune-rules.ts'

const hint = 'backstory history prune --help'

export const pruneCommand = defineCommand({
  name: 'history prune',
  summary: 'Remove old events by age or size, never those that a consumer still needs',
  positionals: {},
  options: {
    history: historyOption,
    type: { type: 'text', value: 'TYPE', describe: 'Only events of this type' },
    'older-than': { type: 'text', value: 'AGE', describe: 'Those recorded longer ago, such as 90d, 12h, 1y' },
    'keep-events': { type: 'integer', min: 0, describe: 'All but the newest so many' },
    'keep-bytes': {
      type: 'text',
      value: 'SIZE',
      describe: 'All but the newest that take so much, such as 10GB',
    },
    policy: { type: 'text', value: 'FILE', describe: 'Several rules, as a JSON list' },
    'heard-within': {
      type: 'text',
      value: 'AGE',
      describe: 'Consumers not heard of for longer are not spared',
      defaultDescription: '30d',
    },
    'forget-consumer': {
      type: 'text',
      value: 'NAME',
      describe: 'Forget a consumer that is gone for ever, first',
    },
    force: { type: 'flag', describe: 'Go below the cursors of consumers too: they will be refused' },
    'dry-run': { type: 'flag', describe: 'Only count what would go' },
    json: { ...jsonOption, describe: 'One line a rule' },
  },
  examples: [
    ['history prune --type price.changed --older-than 90d --dry-run', 'What would go'],
    ['history prune --policy retention.json', 'Several rules, say every night'],
    ['history prune --forget-consumer shipping --keep-bytes 10GB', 'Shipping will never come back'],
  ],
  async run({ history, force, json, ...rest }, cli) {
    const rules = await rulesOf(cli, rest)
    const typed = rest['heard-within']
    const heardWithinMs = typed === undefined ? undefined : ageOf(typed, '--heard-within')
    const { value: address } = await cli.writtenHistory(history)
    const { openHistoryKeeper } = await import('../../../history/index.ts')
    await using keeper = await openHistoryKeeper({ history: address })
    const gone = rest['forget-consumer']
    if (gone !== undefined && rest['dry-run'])
      throw usageError('--forget-consumer does not go with --dry-run', { hint })
    if (gone !== undefined && !(await keeper.forgetConsumer(gone)))
      cli.say(`Consumer ${gone} was not known: nothing is forgotten`)
    const signal = cli.stopSignal()
    for (const rule of rules) {
      let reading = { done: 0, total: 0 }
      const end = cli.progress({ unit: 'events', read: () => reading })
      const onProgress = (progress: { done: number; total: number }) => {
        reading = progress
      }
      const options = { ...rule, force, dryRun: rest['dry-run'], onProgress, signal }
      const pruned = await keeper
        .prune({ ...options, ...(heardWithinMs !== undefined && { heardWithinMs }) })
        .finally(end)
      if (json) await cli.output.json({ rule, ...pruned, dryRun: rest['dry-run'] })
      else {
        const what = rest['dry-run'] ? 'would go' : 'are gone'
        await cli.output.lines([
          `${count(pruned.events)} events${rule.type === undefined ? '' : ` of ${rule.type}`} ${what}`,
        ])
      }
      if (pruned.heldBy !== undefined)
        cli.say(`Consumer ${pruned.heldBy} still needs what lies above ${count(pruned.upTo)}: that stays`)
    }
    return exitCodes.ok
  },
})
