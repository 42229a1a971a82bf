/** `backstory doctor`: what is wrong, in plain words, and what to do about it. */
import type { Cli } from '../cli.ts'
import { brokerOption, defineCommand, historyOption, jsonOption } from '../command.ts'
import type { Examined, Level } from '../doctor/examination.ts'
import { exitCodes } from '../errors.ts'
import { count } from '../progress.ts'
import { visibleLine } from '../screen.ts'

export const doctorCommand = defineCommand({
  name: 'doctor',
  summary:
    'Look at broker, queues, histories, stores, clocks and disks, and say what is wrong and what to do',
  positionals: {},
  options: {
    history: {
      ...historyOption,
      type: 'texts',
      value: 'HISTORY',
      describe: 'A history: a file, or a URL; may be given several times',
    },
    store: {
      type: 'texts',
      value: 'STORE',
      describe: "A consumer's store: a SQLite file, or a postgres:// URL; likewise",
    },
    exchange: {
      type: 'texts',
      value: 'NAME',
      describe: 'An exchange whose queues to look at, besides those of the histories; likewise',
    },
    consumer: {
      type: 'texts',
      value: 'FILE',
      describe: 'A .ts or .js file that exports consumers, whose queues belong there; likewise',
    },
    broker: brokerOption,
    management: {
      type: 'text',
      value: 'URL',
      describe: 'The management API, http://user:password@host:15672: alarms, plugins, bindings',
      defaultDescription: 'BACKSTORY_MANAGEMENT, else none',
    },
    timeout: { type: 'seconds', min: 1, max: 3_600, default: 10, describe: 'For each check' },
    json: { ...jsonOption, describe: 'The findings as JSON, one object' },
  },
  examples: [
    ['doctor', 'Broker and history as the settings name them'],
    [
      'doctor --history orders.db --store shipping.db --consumer ./shipping.ts --management http://guest:guest@localhost:15672',
      'All of it; exit code 1 where something fails',
    ],
    ['doctor --json', 'For a program'],
  ],
  async run({ history, store, exchange, consumer, broker, management, timeout, json }, cli) {
    const { checksFor } = await import('../doctor/checks.ts')
    const { examine } = await import('../doctor/examination.ts')
    const timeoutMs = timeout * 1_000
    const checks = await checksFor(cli, {
      broker,
      management,
      histories: history.length === 0 ? [undefined] : history,
      stores: store,
      exchanges: exchange,
      consumers: consumer,
      timeoutMs,
    })
    const { findings, isStuck } = await examine(checks, { timeoutMs })
    const counts = countsOf(findings)
    if (json) await cli.output.json({ ...counts, findings })
    else await cli.output.lines(linesOf(findings))
    saySummary(cli, counts)
    const code = counts.fail === 0 ? exitCodes.ok : exitCodes.checkFailed
    if (isStuck) cli.leaveWith(code)
    return code
  },
})

function countsOf(findings: readonly Examined[]): Record<Level, number> {
  const counts = { ok: 0, warn: 0, fail: 0 }
  for (const { level } of findings) counts[level] += 1
  return counts
}

/** A line a check, and its findings under it. */
function linesOf(findings: readonly Examined[]): string[] {
  const lines: string[] = []
  let last: string | undefined
  for (const { check, level, message } of findings) {
    if (check !== last) lines.push(...(last === undefined ? [] : ['']), visibleLine(check))
    lines.push(`  ${level.padEnd(4)}  ${visibleLine(message)}`)
    last = check
  }
  return lines
}

function saySummary(cli: Cli, { ok, warn, fail }: Record<Level, number>): void {
  cli.say(`${count(ok)} ok, ${count(warn)} to look at, ${count(fail)} failed`)
}
