/** `backstory history erase`: the events of a subject, emptied for ever. */
import { userInfo } from 'node:os'
import { defineCommand, historyOption, jsonOption } from '../command.ts'
import { confirm } from '../confirm.ts'
import { exitCodes, usageError } from '../errors.ts'
import { count } from '../progress.ts'
import { listOf } from '../table.ts'

const hint = 'backstory history erase --help'

export const eraseCommand = defineCommand({
  name: 'history erase',
  summary: 'Empty all events of a subject for ever; position, type, time, and who and why, stay',
  positionals: {},
  options: {
    subject: { type: 'text', value: 'SUBJECT', describe: 'Whose events; required' },
    reason: { type: 'text', value: 'TEXT', describe: 'Why, for the record; required' },
    by: {
      type: 'text',
      value: 'NAME',
      describe: 'Who has it done, for the record',
      defaultDescription: 'the user of the operating system',
    },
    history: historyOption,
    'dry-run': { type: 'flag', describe: 'Only count what would be emptied' },
    yes: { type: 'flag', describe: 'Do not ask' },
    json: { ...jsonOption, describe: 'The record as JSON' },
  },
  examples: [
    ["history erase --subject customer-17 --reason 'request of 2026-11-20' --dry-run", 'How many it is'],
    ["history erase --subject customer-17 --reason 'request of 2026-11-20'", 'Asks, then does it'],
  ],
  async run({ subject, reason, by = userInfo().username, history, yes, json, ...rest }, cli) {
    if (subject === undefined) throw usageError('--subject is missing', { hint })
    const { value: address } = await cli.writtenHistory(history)
    const { openHistoryKeeper } = await import('../../../history/index.ts')
    await using keeper = await openHistoryKeeper({ history: address })
    const total = await keeper.countErasable(subject)
    if (rest['dry-run']) {
      if (json) await cli.output.json({ subject, events: total, dryRun: true })
      else await cli.output.lines([`${count(total)} events of ${subject} would be emptied`])
      return exitCodes.ok
    }
    if (reason === undefined) throw usageError('--reason is missing: it is kept with the record', { hint })
    await confirm(cli, { what: `Empty ${count(total)} events of ${subject} for ever`, yes, hint })
    const signal = cli.stopSignal()
    let done = 0
    const end = cli.progress({ unit: 'events', read: () => ({ done, total }) })
    const onProgress = (progress: { done: number }) => {
      done = progress.done
    }
    const erasure = await keeper.erase({ subject, reason, by, signal, onProgress }).finally(end)
    if (erasure === undefined) {
      cli.say(`There is nothing to erase: no event of ${subject} is whole`)
      return exitCodes.checkFailed
    }
    const { at, lastPosition, ...record } = erasure
    if (json) await cli.output.json({ ...record, at: at.toISOString(), lastPosition })
    else {
      const erased = { ...record, at: at.toISOString(), 'last position': lastPosition }
      await cli.output.lines(listOf(erased))
    }
    return exitCodes.ok
  },
})
