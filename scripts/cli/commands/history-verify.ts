/** `backstory history verify`: reads everything again, and compares it with another history. */
import type { Findings, HistoryReader, HistoryVerification } from '../../../history/index.ts'
import type { Cli } from '../cli.ts'
import { defineCommand, historyOption, jsonOption } from '../command.ts'
import { exitCodes } from '../errors.ts'
import { withHistory } from '../open-history.ts'
import { count } from '../progress.ts'
import { type Cell, listOf, Table } from '../table.ts'
import { transferProgress } from './history-export.ts'

export const verifyCommand = defineCommand({
  name: 'history verify',
  summary:
    'Read a whole history again: positions, checksums, identities, properties, bodies, the file itself',
  positionals: {},
  options: {
    history: historyOption,
    against: {
      type: 'text',
      value: 'HISTORY',
      describe: 'Another history, to be the same event by event, byte for byte',
    },
    full: { type: 'flag', describe: "SQLite: look into the file's indexes too, which takes longer" },
    json: { ...jsonOption, describe: 'The findings as JSON, one object' },
  },
  examples: [
    ['history verify', 'Exit code 1 where there is a finding'],
    ['history verify --against postgres://127.0.0.1/orders', 'Whether a copy is one'],
  ],
  async run({ history, against, full, json }, cli) {
    const file = await fileProblems(cli, history, { full })
    const verification = await withHistory(cli, { history }, (reader) => verify(cli, reader, against))
    const clean = verification.clean && file.length === 0
    if (json) await cli.output.json({ ...verification, file, clean })
    else await cli.output.lines([...listing(verification, clean), ...findingsTable(verification, file)])
    sayNotes(cli, verification)
    return clean ? exitCodes.ok : exitCodes.checkFailed
  },
})

/** What SQLite finds wrong with the file; nothing where the history is elsewhere. */
async function fileProblems(
  cli: Cli,
  history: string | undefined,
  { full }: { full: boolean },
): Promise<string[]> {
  const { value: address } = await cli.history(history)
  // A history elsewhere is named by a URL.
  if (/^[a-z]{2,}:\/\//i.test(address)) return []
  const { checkSqliteFile } = await import('../../../history/index.ts')
  return await checkSqliteFile(address, { full })
}

async function verify(
  cli: Cli,
  reader: HistoryReader,
  against: string | undefined,
): Promise<HistoryVerification> {
  const { openHistory, verifyHistory } = await import('../../../history/index.ts')
  const exchange = await reader.exchange()
  const other = against === undefined ? undefined : (await cli.history(against)).value
  const otherReader = other === undefined ? undefined : openHistory({ history: other, exchange })
  const progress = transferProgress(cli)
  try {
    return await verifyHistory(reader, {
      signal: cli.stopSignal(),
      onProgress: progress.onProgress,
      ...(otherReader !== undefined && { against: otherReader }),
    })
  } finally {
    progress.end()
    await otherReader?.close()
  }
}

function listing(
  { exchange, first, head, held, checksum, ...found }: HistoryVerification,
  clean: boolean,
): string[] {
  const { removed, changed, unreadable, misplaced, different } = found
  return listOf({
    exchange,
    positions: `${count(first)} to ${count(head)}`,
    held: `${count(held)} events`,
    checksum,
    removed: removed.count,
    changed: changed.count,
    unreadable: unreadable.count,
    misplaced: misplaced.count,
    different: different.count,
    clean,
  })
}

/** A row for each finding that is listed; none where there is none. */
function findingsTable(
  { removed, changed, unreadable, misplaced, different }: HistoryVerification,
  file: readonly string[],
): string[] {
  const range = ({ from, to }: { from: number; to: number }) => (from === to ? `${from}` : `${from} to ${to}`)
  const rows: Cell[][] = [
    ...file.map((problem) => ['file', undefined, problem]),
    ...removed.listed.map((found) => ['removed', range(found), 'recorded, and no longer there']),
    ...changed.listed.map((found) => [
      'changed',
      range(found),
      'a source or id, or the checkpoint, is another',
    ]),
    ...unreadable.listed.map(({ position, reason }) => ['unreadable', String(position), reason]),
    ...misplaced.listed.map(({ position, found }) => [
      'misplaced',
      String(position),
      found === undefined ? 'not found by its identity' : `its identity leads to ${found}`,
    ]),
    ...different.listed.map((found) => ['different', String(found.position), found.in.join(', ')]),
  ]
  if (rows.length === 0) return []
  const kinds: readonly Findings<unknown>[] = [removed, changed, unreadable, misplaced, different]
  const more = kinds.reduce((sum, kind) => sum + kind.count - kind.listed.length, 0)
  const table = new Table(['finding', 'position', ''])
  return ['', ...table.page(rows), ...(more > 0 ? [`and ${count(more)} more`] : [])]
}

function sayNotes(cli: Cli, { notes: { notJson, sequences } }: HistoryVerification): void {
  const [first] = notJson.listed
  if (first !== undefined) {
    cli.say(
      `${count(notJson.count)} events say they are JSON and are not, the first at ${first.position}: as they were published`,
    )
  }
  if (sequences > 0)
    cli.say(`${count(sequences)} holes, late or repeated sequences: \`backstory audit\` names them`)
}
