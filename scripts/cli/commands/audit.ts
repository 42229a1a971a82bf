/** `backstory audit`: whether all is in a history that was published, or in a consumer that is in the history. */
import { auditConsumer } from '../audit-consumer.ts'
import { auditHistory } from '../audit-history.ts'
import { auditPartitions } from '../audit-partitions.ts'
import { defineCommand, exportOption, historyOption, jsonOption } from '../command.ts'
import { exitCodes, usageError } from '../errors.ts'
import { partitionsOption } from '../partition-options.ts'

export const auditCommand = defineCommand({
  name: 'audit',
  summary:
    'Name what is missing, late, repeated or changed in a history, or missing in a consumer; no broker',
  positionals: {
    exchange: { kind: 'optional', describe: 'The exchange whose history it must be' },
  },
  options: {
    history: historyOption,
    partitions: { ...partitionsOption, describe: 'Audit the histories of so many partitions together' },
    consumer: {
      type: 'text',
      value: 'MODULE',
      describe: 'A consumer to compare with the history: a .ts or .js file, as for bootstrap',
    },
    export: exportOption,
    store: {
      type: 'text',
      value: 'STORE',
      describe: "The consumer's store: a SQLite file, or a postgres:// URL",
      defaultDescription: './<consumer>.db',
    },
    repair: { type: 'flag', describe: 'Let the consumer apply what it has missed, and only that' },
    json: { ...jsonOption, describe: 'The findings as JSON, one object' },
  },
  examples: [
    ['audit orders', 'Exit code 1 where there is a finding'],
    ['audit orders --partitions 4', 'The four histories beside each other'],
    ['audit orders --history orders.db --json', 'For a program'],
    ['audit --consumer ./shipping.ts --store shipping.db', 'Name what the consumer has missed'],
    ['audit --consumer ./shipping.ts --repair', 'And send it back to before the first of that'],
  ],
  async run({ exchange, history, partitions, consumer, store, repair, json, ...rest }, cli) {
    const options = { exchange, history, json }
    if (consumer === undefined) {
      if (store !== undefined || rest.export !== undefined || repair) {
        throw usageError('--store, --export and --repair belong to --consumer', {
          hint: 'backstory audit --help',
        })
      }
      if (partitions !== undefined)
        return (await auditPartitions(cli, { ...options, partitions })) ? exitCodes.ok : exitCodes.checkFailed
      return (await auditHistory(cli, options)) ? exitCodes.ok : exitCodes.checkFailed
    }
    if (partitions !== undefined) {
      throw usageError("--partitions is of histories: a consumer's module has the number of its own", {
        hint: 'backstory audit --help',
      })
    }
    const found = { module: consumer, export: rest.export ?? 'default', store, repair }
    return (await auditConsumer(cli, { ...options, ...found })) ? exitCodes.ok : exitCodes.checkFailed
  },
})
