/** `backstory consumers certificate`: whether consumers have applied what the history holds. */
import { certificateList } from '../certificate-list.ts'
import { defineCommand, historyOption, jsonOption } from '../command.ts'
import { exitCodes } from '../errors.ts'
import { withHistory } from '../open-history.ts'
import { readStores } from './consumers-status.ts'

export const certificateCommand = defineCommand({
  name: 'consumers certificate',
  summary: 'Compare what the consumers in these stores have applied with the history; needs no broker',
  positionals: {
    stores: { kind: 'many', describe: 'Stores of consumers: SQLite files, or postgres:// URLs' },
  },
  options: {
    history: historyOption,
    level: { type: 'flag', describe: 'Demand too that they are at the head, with nothing beyond it' },
    json: jsonOption,
  },
  examples: [
    ['consumers certificate shipping.db', 'Exit code 1 where it is not complete'],
    ['consumers certificate production.db shipping.db --level --json', 'Both at the head, for a program'],
  ],
  async run({ stores, history, level, json }, cli) {
    const { certify } = await import('../../../consumers/index.ts')
    const certificates = []
    for (const { consumer } of await readStores(cli, stores)) {
      const { name, exchange, state, waiting, counts } = consumer
      certificates.push(
        await withHistory(cli, { history, exchange }, (reader) =>
          certify({ consumer: name, exchange, state, waiting, counts }, reader),
        ),
      )
    }
    if (json) await cli.output.lines(certificates.map((certificate) => JSON.stringify(certificate)))
    else
      await cli.output.lines(
        certificates.flatMap((one, index) => [...(index > 0 ? [''] : []), ...certificateList(one)]),
      )
    const failed = certificates.filter((one) => !(level ? one.level : one.complete))
    for (const { consumer } of failed) cli.say(`Consumer ${consumer} is not ${level ? 'level' : 'complete'}`)
    return failed.length === 0 ? exitCodes.ok : exitCodes.checkFailed
  },
})
