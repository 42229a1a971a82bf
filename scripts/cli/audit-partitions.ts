/** The audit of an exchange's partitions together, with its progress and its words to people. */
import type { HistoryReader, PartitionsAudit } from '../../history/index.ts'
import { auditList, findingsTable } from './audit-report.ts'
import type { Cli } from './cli.ts'
import { usageError } from './errors.ts'
import { openReader } from './open-history.ts'
import { count, type Reading } from './progress.ts'
import { type Cell, Table } from './table.ts'

/** @returns Whether all is clean. */
export async function auditPartitions(
  cli: Cli,
  {
    exchange,
    history,
    partitions,
    json,
  }: { exchange: string | undefined; history: string | undefined; partitions: number; json: boolean },
): Promise<boolean> {
  if (exchange === undefined)
    throw usageError('Name the exchange that has the partitions: backstory audit orders --partitions 4', {
      hint: 'backstory audit --help',
    })
  const { partitionExchangesOf } = await import('../../broker/index.ts')
  const readers: HistoryReader[] = []
  try {
    for (const name of partitionExchangesOf(exchange, partitions))
      readers.push(await openReader(cli, { history, exchange: name }))
    const audit = await auditOf(cli, readers)
    if (json) await cli.output.json({ exchange, ...audit })
    else await cli.output.lines(linesOf(audit))
    if (audit.forgotten.holes + audit.forgotten.epochs > 0)
      cli.say('Too much to follow at a time: what was let go may be told as missing although it came later')
    cli.say(`The ${partitions} partitions of ${exchange} ${audit.clean ? 'are clean' : 'have findings'}`)
    return audit.clean
  } finally {
    for (const reader of readers) await reader.close()
  }
}

async function auditOf(cli: Cli, readers: readonly HistoryReader[]): Promise<PartitionsAudit> {
  const { auditPartitions } = await import('../../history/index.ts')
  let reading: Reading = { done: 0 }
  const end = cli.progress({ unit: 'positions', read: () => reading })
  try {
    return await auditPartitions(readers, {
      signal: cli.stopSignal(),
      onProgress: ({ position, head }) => {
        reading = { done: position, total: head }
      },
    })
  } finally {
    end()
  }
}

function linesOf({ partitions, holes, repeated }: PartitionsAudit): string[] {
  const each = partitions.flatMap((one) => [...auditList(one), ...findingsTable(one), ''])
  const rows: Cell[][] = [
    ...holes.listed.map(({ source, epoch, from, to }) => [
      'hole',
      source,
      epoch,
      from === to ? String(from) : `${from} to ${to}`,
      'in no partition',
    ]),
    ...repeated.listed.map(({ source, epoch, sequence, id }) => [
      'repeated',
      source,
      epoch,
      sequence,
      `id ${id}`,
    ]),
  ]
  const more = holes.count + repeated.count - rows.length
  if (rows.length === 0) return [...each, 'No number is missing in all of them']
  const table = new Table(['over all', 'source', 'epoch', 'sequence', ''])
  return [...each, ...table.page(rows), ...(more > 0 ? [`and ${count(more)} more`] : [])]
}
