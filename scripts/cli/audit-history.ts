/** The audit of a history, with its progress and its words to people. */
import type { HistoryAudit } from '../../history/index.ts'
import { auditList, findingsTable } from './audit-report.ts'
import type { Cli } from './cli.ts'
import { withHistory } from './open-history.ts'
import { count, type Reading } from './progress.ts'

/** @returns Whether it is clean. */
export async function auditHistory(
  cli: Cli,
  { json, ...place }: { exchange: string | undefined; history: string | undefined; json: boolean },
): Promise<boolean> {
  const audit = await auditOf(cli, place)
  if (json) await cli.output.json(audit)
  else await cli.output.lines([...auditList(audit), ...findingsTable(audit)])
  sayLimits(cli, audit)
  await sayOtherPartitions(cli, audit)
  cli.say(`The history of ${audit.exchange} ${audit.clean ? 'is clean' : `has ${findingsIn(audit)}`}`)
  return audit.clean
}

async function auditOf(
  cli: Cli,
  place: { exchange: string | undefined; history: string | undefined },
): Promise<HistoryAudit> {
  const { auditHistory } = await import('../../history/index.ts')
  const signal = cli.stopSignal()
  let reading: Reading = { done: 0 }
  const end = cli.progress({ unit: 'positions', read: () => reading })
  try {
    return await withHistory(cli, place, (reader) =>
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

/** A source's numbers are spread over all partitions. */
async function sayOtherPartitions(cli: Cli, { exchange, holes }: HistoryAudit): Promise<void> {
  const { partitionOf } = await import('../../broker/index.ts')
  const partition = partitionOf(exchange)
  if (partition === undefined || holes.count === 0) return
  const whole = `backstory audit ${partition.exchange} --partitions ${partition.of}`
  cli.say(
    `The history of one partition of ${partition.of}: numbers that are in the others are holes here; ${whole} takes them together`,
  )
}

function findingsIn({ removed, changed, holes, late, repeated }: HistoryAudit): string {
  const findings = [removed, changed, holes, late, repeated].reduce((sum, kind) => sum + kind.count, 0)
  return findings === 1 ? '1 finding' : `${count(findings)} findings`
}
