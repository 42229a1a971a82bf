/** `backstory audit`: whether all is in a history that was published and recorded. */
import type { HistoryAudit } from '../../../history/index.ts'
import { auditList, findingsTable } from '../audit-report.ts'
import type { Cli } from '../cli.ts'
import { defineCommand, historyOption, jsonOption } from '../command.ts'
import { exitCodes } from '../errors.ts'
import { withHistory } from '../open-history.ts'
import { count } from '../progress.ts'

export const auditCommand = defineCommand({
  name: 'audit',
  summary: 'Look for holes, late, repeated, removed and changed events; needs no broker',
  positionals: {
    exchange: { kind: 'optional', describe: 'The exchange whose history it must be' },
  },
  options: {
    history: historyOption,
    json: { ...jsonOption, describe: 'The findings as JSON, one object' },
  },
  examples: [
    ['audit orders', 'Exit code 1 where there is a finding'],
    ['audit orders --history orders.db --json', 'For a program'],
  ],
  async run({ exchange, history, json }, cli) {
    const audit = await auditOf(cli, { exchange, history })
    if (json) await cli.output.json(audit)
    else await cli.output.lines([...auditList(audit), ...findingsTable(audit)])
    sayLimits(cli, audit)
    if (audit.clean) cli.say(`The history of ${audit.exchange} is clean`)
    else cli.say(`The history of ${audit.exchange} has ${findingsIn(audit)}`)
    return audit.clean ? exitCodes.ok : exitCodes.checkFailed
  },
})

async function auditOf(
  cli: Cli,
  { exchange, history }: { exchange: string | undefined; history: string | undefined },
): Promise<HistoryAudit> {
  const { auditHistory } = await import('../../../history/index.ts')
  const signal = cli.stopSignal()
  let reading: { done: number; total?: number } = { done: 0 }
  const end = cli.progress({ unit: 'positions', read: () => reading })
  try {
    return await withHistory(cli, { history, exchange }, (reader) =>
      auditHistory(reader, {
        signal,
        onProgress: ({ position, head }) => {
          reading = { done: position, total: head }
        },
      }),
    )
  } finally {
    end()
  }
}

/** What was not judged, or less sharply. */
function sayLimits(cli: Cli, { first, held, unjudged, forgotten }: HistoryAudit): void {
  if (first > 1) {
    cli.say(`Positions 1 to ${count(first - 1)} are no longer held: not judged, nor how their epochs went on`)
  }
  if (unjudged.count > 0) {
    cli.say(
      `Not judged for holes: ${count(unjudged.count)} of ${count(held)} events, which state no sequence`,
    )
  }
  if (forgotten.epochs > 0 || forgotten.holes > 0) {
    const { epochs, holes } = forgotten
    cli.say(
      `Too much to follow at a time: ${count(epochs)} quiet epochs and ${count(holes)} holes were judged as they were then; what came for them later may be told as late, or not at all`,
    )
  }
}

function findingsIn({ removed, changed, holes, late, repeated }: HistoryAudit): string {
  const findings = [removed, changed, holes, late, repeated].reduce((sum, kind) => sum + kind.count, 0)
  return findings === 1 ? '1 finding' : `${count(findings)} findings`
}
