/** The audit of a consumer against a history, and its repair. */
import { existsSync } from 'node:fs'
import type { ConsumerAudit, ConsumerDefinition } from '../../consumers/index.ts'
import type { HistoryReader } from '../../history/index.ts'
import { certificateList } from './certificate-list.ts'
import type { Cli } from './cli.ts'
import { CliError, usageError } from './errors.ts'
import { loadDefinition } from './load-definition.ts'
import { withHistory } from './open-history.ts'
import { count, type Reading } from './progress.ts'
import { storeAddress } from './store-address.ts'
import { Table } from './table.ts'

export interface ConsumerToAudit {
  readonly exchange: string | undefined
  readonly history: string | undefined
  readonly module: string
  readonly export: string
  readonly store: string | undefined
  readonly repair: boolean
  readonly json: boolean
}

/** @returns Whether nothing was found; of a consumer with partitions, in none of them. */
export async function auditConsumer(cli: Cli, options: ConsumerToAudit): Promise<boolean> {
  const definition = await loadDefinition(cli.path(options.module), options.export)
  const { name, exchange } = definition
  const consumers = await consumersOf(definition, options.exchange)
  const store = await existingStore(cli, options.store ?? `${name}.db`)
  const audits: Audited[] = []
  for (const one of consumers) {
    if (audits.length > 0 && !options.json) await cli.output.line('')
    audits.push(await auditOne(cli, one, { ...options, store }))
  }
  const clean = audits.every((audit) => audit.clean)
  const [only] = audits
  const isWhole = definition.partitions !== undefined && audits.length > 1
  if (options.json)
    await cli.output.json(isWhole ? { consumer: name, exchange, clean, partitions: audits } : only)
  return clean
}

/** @throws CliError `CLI_USAGE` where the exchange is neither the consumer's nor one of its partitions. */
async function consumersOf(
  definition: ConsumerDefinition,
  exchange: string | undefined,
): Promise<ConsumerDefinition[]> {
  const { partitionDefinitions } = await import('../../consumers/index.ts')
  const all = partitionDefinitions(definition)
  if (exchange === undefined || exchange === definition.exchange) return all
  const named = all.filter((one) => one.exchange === exchange)
  if (named.length > 0) return named
  throw usageError(`${definition.name} is a consumer of ${definition.exchange}, not of ${exchange}`, {
    hint: 'backstory audit --help',
  })
}

type Audited = ConsumerAudit & { readonly repair?: { readonly cursor: number } }

/** Prints what people read; as JSON it is printed by whoever has them all. */
async function auditOne(
  cli: Cli,
  { name, exchange }: ConsumerDefinition,
  { history: typed, store, repair, json }: ConsumerToAudit & { readonly store: string },
): Promise<Audited> {
  const { openConsumerMarks, repairConsumer } = await import('../../consumers/index.ts')
  return await withHistory(cli, { history: typed, exchange }, async (history) => {
    await using marks = await openConsumerMarks({ store, consumer: name })
    const audit = await auditOf(cli, marks, history)
    if (!json) await cli.output.lines([...certificateList(audit.certificate), ...missingTable(audit)])
    cli.say(verdictOf(name, audit))
    const cursor = repair ? await repairConsumer(marks, history) : undefined
    if (cursor === undefined) return audit
    cli.say(
      `Consumer ${name} goes back to position ${count(cursor)}: while it runs at once, else when it is started, it applies what it has missed, and only that`,
    )
    return { ...audit, repair: { cursor } }
  })
}

type Marks = Parameters<typeof import('../../consumers/index.ts').auditConsumer>[0]

async function auditOf(cli: Cli, marks: Marks, history: HistoryReader): Promise<ConsumerAudit> {
  const { auditConsumer } = await import('../../consumers/index.ts')
  const signal = cli.stopSignal()
  let reading: Reading = { done: 0 }
  const end = cli.progress({ unit: 'positions', read: () => reading })
  try {
    return await auditConsumer(marks, history, {
      signal,
      onProgress: ({ position, cursor }) => {
        reading = { done: position, total: cursor }
      },
    })
  } finally {
    end()
  }
}

/** @throws CliError `CLI_FILE_UNREADABLE` where there is no such file: looking must not make one. */
async function existingStore(cli: Cli, typed: string): Promise<string> {
  const { isPostgresUrl } = await import('../../history/index.ts')
  const address = await storeAddress(cli, typed)
  if (isPostgresUrl(address) || existsSync(address)) return address
  throw new CliError(
    'CLI_FILE_UNREADABLE',
    `${typed} does not exist; name the store of a consumer that has run, with --store`,
  )
}

function missingTable({ missing }: ConsumerAudit): string[] {
  if (missing.count === 0) return []
  const table = new Table(['missing', 'source', 'id', 'type', 'subject'])
  const rows = missing.events.map(({ position, source, id, type, subject }) => [
    String(position),
    source,
    id,
    type,
    subject,
  ])
  const more = missing.count - rows.length
  return ['', ...table.page(rows), ...(more > 0 ? [`and ${count(more)} more`] : [])]
}

function verdictOf(name: string, { clean, missing, unrecorded, certificate }: ConsumerAudit): string {
  const { cursor } = certificate
  if (missing.count > 0) {
    return `Consumer ${name} has missed ${count(missing.count)} of ${count(cursor)} events; --repair lets it apply them`
  }
  if (!clean) {
    return `Consumer ${name} has missed no position up to ${count(cursor)}, but its checksum is not the history's: its store or the history was changed by hand. \`backstory audit ${certificate.exchange}\` tells of the history; \`backstory rebuild\` makes the consumer's tables anew`
  }
  const beyond = unrecorded.count === 0 ? '' : `; ${count(unrecorded.count)} more are not recorded yet`
  return `Consumer ${name} has missed nothing up to position ${count(cursor)}${beyond}`
}
