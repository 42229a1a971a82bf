/** `backstory history tail`: events as they are recorded. */
import { setTimeout as sleep } from 'node:timers/promises'
import { defineCommand, historyOption, jsonOption } from '../command.ts'
import { exitCodes } from '../errors.ts'
import { withHistory } from '../open-history.ts'
import { type Choice, matches, newest, printer } from './history-list.ts'

export const tailCommand = defineCommand({
  name: 'history tail',
  summary: 'Follow a history: the newest events, and each further one, until it is interrupted',
  positionals: {},
  options: {
    history: historyOption,
    lines: { type: 'integer', min: 0, default: 10, alias: 'n', describe: 'Begin with the newest so many' },
    after: { type: 'integer', min: 0, describe: 'Begin behind this position, instead of --lines' },
    type: { type: 'text', value: 'TYPE', describe: 'Events of this type only' },
    subject: { type: 'text', value: 'SUBJECT', describe: 'Events of this subject only' },
    json: { ...jsonOption, describe: 'CloudEvents as JSON lines, with position and recordedtime' },
  },
  examples: [
    ['history tail', 'The newest 10, and what comes'],
    ['history tail -n 0 --type order.cancelled', 'Cancellations from now on'],
    ['history tail --after 5000 --json', 'Everything after position 5000, for a program'],
  ],
  async run({ history, lines, after, type, subject, json }, cli) {
    const signal = cli.stopSignal()
    const choice: Choice = { after: after ?? 0, type, subject }
    await withHistory(cli, { history }, async (reader) => {
      const show = printer(cli, { json })
      // Before the newest are read: what is recorded meanwhile must not be missed.
      let seen = after ?? (await reader.bounds()).head
      if (after === undefined && lines > 0) {
        const last = await newest(reader, lines, choice)
        await show(last.filter(({ position }) => position <= seen))
      }
      while (!signal.aborted) {
        const page = await reader.read({ after: seen })
        seen = page.at(-1)?.position ?? seen
        await show(page.filter(matches(choice)))
        if (page.length === 0) await sleep(pollMs, undefined, { signal }).catch(() => {})
      }
    })
    return exitCodes.ok
  },
})

const pollMs = 100
