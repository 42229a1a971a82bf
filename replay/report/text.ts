/**
 * The report for people: plain lines of a terminal, in the order in which one asks: what came of it, of each rule
 * and type, what failed and why, what a dry run would have written, and what to type next.
 */
import type { PlannedWrite } from '../action.ts'
import type { EventMark, RuleTally } from '../run/tally.ts'
import { bytes, type Cell, columns, count, duration, pairs, visible } from './columns.ts'
import type { ReplayReport } from './report.ts'

export interface ReportTextOptions {
  /** Commands to go on with, by what each does: `{ 'go on': 'backstory replay --resume 8f3a' }`. */
  readonly next?: Readonly<Record<string, string>>
}

const typesShown = 20
const causesShown = 20
const messageLengthMax = 200
const sampleLengthMax = 2_000

/** Lines, the last one ended too. */
export function reportText(report: ReplayReport, { next = {} }: ReportTextOptions = {}): string {
  const parts = [head(report), rulesTable(report.rules), causesTable(report), ...samples(report.rules)]
  const commands = Object.entries(next)
  // As it is to be typed: not cut, and not escaped.
  if (commands.length > 0) parts.push(commands.map(([what, command]) => `To ${what}: ${command}`))
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`
}

function head(report: ReplayReport): string[] {
  const { run, pass, dryRun, ended, source, order, read, picked, unreadable, failed } = report
  const ends = {
    done: 'done',
    interrupted: 'told to end',
    'too-many-failures': 'too many failures',
    error: 'by an error',
  }
  return pairs({
    run: pass === 1 ? run : `${run}, pass ${pass}`,
    ended: dryRun ? `${ends[ended]}; a dry run: nothing was written` : ends[ended],
    error: report.error && visible(report.error.message),
    source,
    order,
    read: `${events(read)}, ${bytes(report.bytes)}`,
    matched: events(picked),
    failed: failed === 0 ? undefined : events(failed),
    unreadable: unreadable === 0 ? undefined : events(unreadable),
    first: markText(report.first),
    last: markText(report.last),
    checksum: report.checksum,
    took: `${duration(report.seconds)}, ${count(report.eventsPerSecond)} events a second`,
    memory: `${bytes(report.peakMemoryBytes)} at most`,
  })
}

function events(number: number): string {
  return `${count(number)} ${number === 1 ? 'event' : 'events'}`
}

function markText(mark: EventMark | undefined): string | undefined {
  if (mark === undefined) return undefined
  return `${count(mark.position)}${mark.time === undefined ? '' : `, ${mark.time}`}`
}

/** A line for each rule, under it one for each of its types. Skipped, failed and held are there where any is. */
function rulesTable(rules: readonly RuleTally[]): string[] {
  const rows = rules.flatMap((rule): Cell[][] => {
    const types = Object.entries(rule.types).sort(([, a], [, b]) => b.matched - a.matched)
    const more = types.length - typesShown
    return [
      [rule.name, undefined, ...figures(rule), rule.action],
      ...types
        .slice(0, typesShown)
        .map(([type, counts]): Cell[] => [undefined, type || '(no type)', ...figures(counts), undefined]),
      ...(more > 0 ? [[undefined, `and ${count(more)} more types`, ...figures(none), undefined]] : []),
    ]
  })
  return columns(['rule', 'type', 'matched', 'acted', 'skipped', 'failed', 'held', 'action'], rows)

  function figures(counts: Partial<RuleTally>): Cell[] {
    return (['matched', 'acted', 'skipped', 'failed', 'held'] as const).map((name) => {
      const isShown = ['matched', 'acted'].includes(name) || rules.some((rule) => rule[name] > 0)
      return isShown ? counts[name] : undefined
    })
  }
}

const none: Partial<RuleTally> = {}

function causesTable({ causes }: ReplayReport): string[] {
  if (causes.length === 0) return []
  const rows = causes
    .slice(0, causesShown)
    .map(({ rule, kind, code, message, events, examples }) => [
      events,
      rule,
      kind,
      code,
      cut(visible(message), messageLengthMax),
      examples.join('; '),
    ])
  const more = causes.length - causesShown
  return [
    ...columns(['events', 'rule', 'failure', 'code', 'cause', 'such as'], rows),
    ...(more > 0 ? [`and ${count(more)} more causes`] : []),
  ]
}

function samples(rules: readonly RuleTally[]): string[][] {
  return rules.flatMap(({ name, samples }) =>
    samples.map(({ place, write }) => [
      `${visible(name)} would, for ${visible(place)}:`,
      ...writeLines(write).map((line) => `  ${cut(visible(line), sampleLengthMax)}`),
    ]),
  )
}

function writeLines(write: PlannedWrite): string[] {
  switch (write.kind) {
    case 'sql':
      return [...write.statement.split('\n'), JSON.stringify(write.parameters)]
    case 'request':
      return [
        `${write.method} ${write.url}`,
        ...Object.entries(write.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
        ...(write.body === undefined
          ? []
          : [typeof write.body === 'string' ? write.body : JSON.stringify(write.body)]),
      ]
    case 'message':
      return [
        `publish to ${write.exchange === '' ? 'the default exchange' : write.exchange}, routing key ${JSON.stringify(write.routingKey)}`,
        ...Object.entries(write.headers).map(([name, value]) => `${name}: ${JSON.stringify(value)}`),
        write.body,
      ]
    case 'call':
      return [`call ${write.to}`, ...(write.input === undefined ? [] : [JSON.stringify(write.input)])]
    case 'text':
      return [`write to ${write.to}`, write.text]
  }
}

function cut(line: string, lengthMax: number): string {
  return line.length <= lengthMax ? line : `${line.slice(0, lengthMax)}… (${count(line.length)} characters)`
}
