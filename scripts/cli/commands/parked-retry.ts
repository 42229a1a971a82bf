/**
 * `backstory parked retry`: marks parked events, and waits until they were tried: by the running consumer, or
 * by this command where none runs.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConsumerDefinition, ParkedEvents, ParkedMark, ParkedOutcome } from '../../../consumers/index.ts'
import type { Cli } from '../cli.ts'
import { defineCommand, exportOption, jsonOption } from '../command.ts'
import { exitCodes, usageError } from '../errors.ts'
import { loadDefinition } from '../load-definition.ts'
import {
  markOptions,
  numberPositional,
  openParked,
  selectionOf,
  selectionOptions,
} from '../parked-selection.ts'
import { nothingMarked, showMark, timeOf } from '../parked-view.ts'
import { storeAddress } from '../store-address.ts'
import { listOf } from '../table.ts'

const hint = 'backstory parked retry --help'
const pollMs = 200
/** A consumer that was stopped meanwhile leaves the rest to this command. */
const takeOverMs = 5_000

export const parkedRetryCommand = defineCommand({
  name: 'parked retry',
  summary: 'Try parked events again, in order per subject, and wait until they were; needs no broker',
  positionals: {
    module: { kind: 'one', describe: 'A .ts or .js file that exports the consumer' },
    number: numberPositional,
  },
  options: {
    export: exportOption,
    store: {
      type: 'text',
      value: 'STORE',
      describe: "The consumer's own: a SQLite file, or a postgres:// URL",
      defaultDescription: './<consumer>.db',
    },
    ...selectionOptions,
    at: { type: 'text', value: 'TIME', describe: 'Not before then (RFC 3339): the running consumer does it' },
    ...markOptions,
    json: jsonOption,
  },
  examples: [
    ['parked retry ./shipping.ts 17', 'One event, and what waits behind it'],
    ["parked retry ./shipping.ts --group 1f6c2a90b4de --reason 'handler mended'", 'All failures of a kind'],
    ['parked retry ./shipping.ts --all --dry-run', 'What that would be'],
  ],
  async run({ module, number, store, group, subject, all, part, at, reason, json, ...rest }, cli) {
    const dryRun = rest['dry-run']
    const selection = selectionOf({ number, group, subject, all, part }, hint)
    const scheduled = at === undefined ? undefined : momentOf(at)
    const definition = await loadDefinition(cli.path(module), rest.export ?? 'default')
    const typed = store ?? `${definition.name}.db`
    await using events = await openParked(cli, { store: typed, consumer: definition.name })
    const mark = await events.retry(selection, { reason, dryRun, at: scheduled })
    if (mark.events === 0) cli.say(nothingMarked(mark))
    if (dryRun) await showMark(cli, mark, { json, what: 'would be tried' })
    else if (scheduled !== undefined)
      await showMark(cli, mark, { json, what: `scheduled for ${timeOf(scheduled.getTime())}` })
    if (mark.events === 0) return exitCodes.checkFailed
    if (mark.id === undefined || scheduled !== undefined) return exitCodes.ok
    const startedAt = Date.now()
    const outcome = await tried(cli, { events, mark, definition, store: await storeAddress(cli, typed) })
    const { applied, followed, failed, waiting, discarded } = outcome
    const figures = { events: mark.events, applied, followed, failed, waiting, discarded }
    const seconds = Math.round((Date.now() - startedAt) / 100) / 10
    if (json) await cli.output.json({ ...figures, seconds })
    else await cli.output.lines(listOf({ ...figures, seconds: String(seconds) }))
    const { shownAddress } = await import('../../../history/index.ts')
    if (failed > 0) cli.say(`${failed} failed again: backstory parked groups ${shownAddress(typed)}`)
    return failed > 0 ? exitCodes.checkFailed : exitCodes.ok
  },
})

/** @throws CliError `CLI_USAGE`. */
function momentOf(typed: string): Date {
  const date = new Date(typed)
  if (!/^\d{4}-\d\d-\d\d/.test(typed) || Number.isNaN(date.getTime()))
    throw usageError(`--at is a time such as 2026-11-21T18:00:00Z, not ${typed}`, { hint })
  return date
}

interface Trying {
  readonly events: ParkedEvents
  readonly mark: ParkedMark
  readonly definition: ConsumerDefinition
  readonly store: string
}

/** @throws The signal's reason: what was marked stays marked. */
async function tried(cli: Cli, { events, mark, definition, store }: Trying): Promise<ParkedOutcome> {
  const signal = cli.stopSignal()
  const total = mark.events + mark.waiting
  let done = 0
  let note: string | undefined
  const end = cli.progress({ unit: 'events', read: () => ({ done, total, ...(note && { note }) }) })
  try {
    for (let takeAt = Date.now(); ; ) {
      if (Date.now() >= takeAt) {
        const isRunning = !(await redriven({ definition, store, signal }, (events) => (done = events)))
        if (isRunning) note = 'by the running consumer'
        takeAt = Date.now() + takeOverMs
      }
      const outcome = await events.outcome(mark.id!)
      const { applied, failed, followed, pending, following } = outcome
      if (pending + following === 0) return outcome
      signal.throwIfAborted()
      if (applied + failed + followed > done) {
        done = applied + failed + followed
        takeAt = Date.now() + takeOverMs
      }
      await sleep(pollMs, undefined, { signal }).catch(() => {})
    }
  } finally {
    end()
  }
}

/** @returns false where the consumer runs, and does it by itself. */
async function redriven(
  { definition, store, signal }: Pick<Trying, 'definition' | 'store'> & { signal: AbortSignal },
  onDone: (events: number) => void,
): Promise<boolean> {
  const { redriveParked } = await import('../../../consumers/index.ts')
  try {
    await redriveParked(definition, {
      store,
      signal,
      onProgress: ({ applied, reacted, failed }) => onDone(Math.max(applied, reacted) + failed),
    })
    return true
  } catch (error) {
    if ((error as { code?: unknown }).code === 'CONSUMER_LOCKED') return false
    throw error
  }
}
