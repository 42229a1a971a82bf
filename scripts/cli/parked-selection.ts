/** Which parked events a command means, and the consumer that has them. */
import { existsSync } from 'node:fs'
import type { ParkedEvents, ParkedSelection, Part } from '../../consumers/index.ts'
import type { Cli } from './cli.ts'
import { CliError, usageError } from './errors.ts'
import { storeAddress } from './store-address.ts'

export const storePositional = {
  kind: 'one',
  describe: "A consumer's store: a SQLite file, or a postgres:// URL",
} as const
export const numberPositional = { kind: 'optional', describe: 'One event, by its number' } as const

export const consumerOption = {
  type: 'text',
  value: 'NAME',
  describe: 'The consumer, where the store holds several; with partitions all of it, or one as shipping-2',
} as const
export const groupOption = { type: 'text', value: 'GROUP', describe: 'Failures of this kind' } as const
export const subjectOption = { type: 'text', value: 'SUBJECT', describe: 'Events of this subject' } as const
export const partOption = {
  type: 'text',
  value: 'apply|react',
  describe: 'What failed; both without it',
} as const
export const selectionOptions = {
  group: groupOption,
  subject: subjectOption,
  all: { type: 'flag', describe: 'All that are parked' },
  part: partOption,
} as const
export const markOptions = {
  reason: { type: 'text', value: 'TEXT', describe: 'Why, kept with the event' },
  'dry-run': { type: 'flag', describe: 'Tell what would be done, and do nothing' },
} as const

/** @throws CliError `CLI_USAGE` unless exactly one of them is named. */
export function selectionOf(
  {
    number,
    group,
    subject,
    all,
    part,
  }: {
    number: string | undefined
    group: string | undefined
    subject: string | undefined
    all: boolean
    part: string | undefined
  },
  hint: string,
): ParkedSelection {
  const named = [number, group, subject, all || undefined].filter((one) => one !== undefined)
  if (named.length !== 1)
    throw usageError('Name one event by its number, or a --group, a --subject, or --all of them', { hint })
  const of = { part: partOf(part, hint) }
  if (number !== undefined) return { number: numberOf(number, hint), ...of }
  if (group !== undefined) return { group, ...of }
  return subject !== undefined ? { subject, ...of } : { all: true, ...of }
}

/** @throws CliError `CLI_USAGE`. */
export function numberOf(typed: string, hint: string): number {
  if (/^[1-9]\d{0,14}$/.test(typed)) return Number(typed)
  throw usageError(`${typed} is no number of a parked event`, { hint })
}

/** @throws CliError `CLI_USAGE`. */
export function partOf(typed: string | undefined, hint: string): Part | undefined {
  if (typed === undefined || typed === 'apply' || typed === 'react') return typed
  throw usageError(`--part is apply or react, not ${typed}`, { hint })
}

/**
 * @param options.store - As it was typed.
 * @throws CliError `CLI_FILE_UNREADABLE` where there is no such file; ConsumerError as `openParkedEvents` does.
 */
export async function openParked(
  cli: Cli,
  { store, consumer }: { store: string; consumer: string | undefined },
): Promise<ParkedEvents> {
  const { isPostgresUrl } = await import('../../history/index.ts')
  const address = await storeAddress(cli, store)
  if (!isPostgresUrl(address) && !existsSync(address)) {
    throw new CliError(
      'CLI_FILE_UNREADABLE',
      `${store} does not exist; name the store of a consumer that has run`,
    )
  }
  const { openParkedEvents } = await import('../../consumers/index.ts')
  return await openParkedEvents({ store: address, consumer })
}
