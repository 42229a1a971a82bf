/** Parked events for people and for programs. */
import type { ParkedDetails, ParkedEntry, ParkedGroup, ParkedMark } from '../../consumers/index.ts'
import type { Message } from '../../events/index.ts'
import { indentJson, isJsonText, textOf } from '../../events/index.ts'
import type { Cli } from './cli.ts'
import { count } from './progress.ts'
import { visible } from './screen.ts'
import { listOf, Table } from './table.ts'

const titles = ['number', 'part', 'reason', 'group', 'subject', 'type', 'id', 'parked', 'due', 'error']

/** Events a line each; the first page has the titles, and the consumer where it is one of several partitions. */
export class ParkedTable {
  #table: Table | undefined

  page(entries: readonly ParkedEntry[]): string[] {
    const ofPartitions = entries[0]?.consumer !== undefined
    this.#table ??= new Table(ofPartitions ? titles.toSpliced(1, 0, 'consumer') : titles)
    return this.#table.page(
      entries.map(({ number, consumer, part, reason, subject, type, id, parkedAt, dueAt, error, state }) => [
        number,
        ...(ofPartitions ? [consumer] : []),
        part,
        state === 'parked' ? reason : state,
        error?.group,
        subject,
        type === '' ? undefined : type,
        id,
        timeOf(parkedAt),
        dueAt === undefined ? undefined : timeOf(dueAt),
        error && shortened(`${error.name}: ${error.message}`),
      ]),
    )
  }
}

export function groupsTable(groups: readonly ParkedGroup[]): string[] {
  const table = new Table(['group', 'part', 'events', 'subjects', 'waiting', 'first', 'last', 'error'])
  return table.page(
    groups.map(({ group, part, events, subjects, waiting, firstAt, lastAt, name, code, message }) => [
      ...[group, part, events, subjects, waiting, timeOf(firstAt), timeOf(lastAt)],
      shortened(`${name}${code === undefined ? '' : ` ${code}`}: ${message}`),
    ]),
  )
}

/** One line of JSON: times are RFC 3339. */
export function entryJson({ parkedAt, dueAt, ...entry }: ParkedEntry): string {
  return JSON.stringify({ ...entry, parkedAt: timeOf(parkedAt), dueAt: dueAt && timeOf(dueAt) })
}

export function groupJson({ firstAt, lastAt, ...group }: ParkedGroup): string {
  return JSON.stringify({ ...group, firstAt: timeOf(firstAt), lastAt: timeOf(lastAt) })
}

/** What a dry run would do, or what was done at once. */
export async function showMark(
  cli: Cli,
  { first, ...mark }: ParkedMark,
  { json, what }: { json: boolean; what: string },
): Promise<void> {
  if (json) {
    await cli.output.json({ ...mark, first: first.map(({ number }) => number) })
    return
  }
  if (first.length > 0) await cli.output.lines(new ParkedTable().page(first))
  if (mark.events > first.length) cli.say(`and ${count(mark.events - first.length)} more`)
  const waiting = mark.waiting === 0 ? '' : `; ${count(mark.waiting)} wait behind`
  cli.say(`${what}: ${count(mark.events)}${waiting}`)
}

/** Why a selection marked nothing. */
export function nothingMarked({ behind }: ParkedMark): string {
  return behind === undefined
    ? 'Nothing of that is parked'
    : `It waits behind ${behind} and follows by itself: name ${behind}`
}

export function detailsJson(details: ParkedDetails, encode: (message: Message) => string): string {
  const { message, original, actions, parkedAt, dueAt, error, ...rest } = details
  const times = { parkedAt: timeOf(parkedAt), dueAt: dueAt === undefined ? undefined : timeOf(dueAt) }
  const done = actions.map(({ at, ...action }) => ({ at: timeOf(at), ...action }))
  const facts = JSON.stringify({ ...rest, ...times, error, actions: done }).slice(0, -1)
  const of = (one: Message) =>
    `{"exchange":${JSON.stringify(one.exchange)},"routingKey":${JSON.stringify(one.routingKey)},"properties":${encode(one)},"data_base64":"${one.body.toString('base64')}"}`
  const before = details.edited ? `,"original":${of(original)}` : ''
  return `${facts},"message":${of(message)}${before}}`
}

export function detailsText(details: ParkedDetails): string[] {
  const { number, state, part, reason, source, id, type, subject, position, attempts, retries } = details
  const { behind, waiting, edited, error, message, original, parkedAt, dueAt, actions } = details
  return [
    ...listOf({
      ...{
        number: String(number),
        consumer: details.consumer,
        state,
        part,
        reason,
        source,
        id,
        type,
        subject,
      },
      position: position === undefined ? undefined : String(position),
      parked: timeOf(parkedAt),
      due: dueAt === undefined ? undefined : timeOf(dueAt),
      ...{ attempts, retries, edited },
      'waits behind': behind === undefined ? undefined : String(behind),
      'wait behind it': waiting,
      group: error?.group,
      error: error && `${error.name}: ${error.message}`,
      code: error?.code,
    }),
    ...(error?.stack === undefined ? [] : ['', ...visible(error.stack).split('\n')]),
    '',
    ...actions.map(
      ({ at, action, reason: why }) =>
        `${timeOf(at)}  ${action}${why === undefined ? '' : `: ${visible(why)}`}`,
    ),
    ...(actions.length === 0 ? [] : ['']),
    ...bodyText(edited ? 'body, edited' : 'body', message),
    ...(edited ? ['', ...bodyText('body, as it was published', original)] : []),
  ]
}

function bodyText(title: string, { body, properties }: Message): string[] {
  const type = properties.contentType === undefined ? 'no content type' : visible(properties.contentType)
  const text = textOf(body)
  const shown = text === undefined ? body.toString('base64') : isJsonText(text) ? indentJson(text) : text
  return [`${title}: ${count(body.length)} bytes, ${type}`, ...(body.length === 0 ? [] : [visible(shown)])]
}

const errorLengthMax = 120

function shortened(text: string): string {
  const [line] = text.split('\n', 1)
  return line!.length > errorLengthMax ? `${line!.slice(0, errorLengthMax)}…` : line!
}

export function timeOf(at: number): string {
  return new Date(at).toISOString()
}
