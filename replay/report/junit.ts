/**
 * The report as JUnit XML, for what shows the tests of a pipeline.
 *
 * A suite for each rule, in it a case for each type of event, which fails where events of that type failed or
 * were held: what it says then is grouped by cause. A suite before them tells of the run itself, so that no report
 * is without a case: whether it came to its end, and whether all that it read was an event.
 */
import type { CauseTally, Counts, RuleTally } from '../run/tally.ts'
import type { ReplayReport } from './report.ts'

interface Suite {
  readonly name: string
  readonly properties: Readonly<Record<string, string | number | boolean>>
  readonly cases: readonly Case[]
}

interface Case {
  readonly name: string
  readonly problem?: Problem | undefined
  readonly isSkipped?: boolean
}

/** A failure: what was asked for was not done. An error: it was not come to. */
interface Problem {
  readonly as: 'failure' | 'error'
  readonly type: string
  readonly message: string
  readonly lines: readonly string[]
}

/** A document, with its line break at the end. */
export function junitXml(report: ReplayReport): string {
  const suites = [runSuite(report), ...report.rules.map((rule) => ruleSuite(rule, report))]
  const all = suites.flatMap(({ cases }) => cases)
  const name = `backstory replay${report.dryRun ? ' --dry-run' : ''}`
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name, ...totals(all), time: seconds(report) })}>`,
    ...suites.flatMap((suite) => suiteLines(suite, report)),
    '</testsuites>',
    '',
  ].join('\n')
}

function runSuite(report: ReplayReport): Suite {
  const { run, pass, source, read, picked, unreadable, checksum, ended, error, failed, causes } = report
  const reasons = {
    interrupted: 'It was told to end',
    'too-many-failures': 'Too many events failed',
    error: error?.message,
  } as const
  const end: Problem | undefined =
    ended === 'done'
      ? undefined
      : {
          as: 'error',
          type: error?.code ?? ended,
          message: `${reasons[ended]}, after ${read} events`,
          lines: [`${failed} of ${picked} events failed`],
        }
  const unread = causes.filter(({ rule }) => rule === undefined)
  return {
    name: 'replay',
    properties: { run, pass, source, read, picked, checksum },
    cases: [
      { name: 'comes to its end', problem: end },
      {
        name: 'reads every event',
        problem:
          unreadable === 0
            ? undefined
            : failure(`${unreadable} that ${unreadable === 1 ? 'is' : 'are'} no JSON`, unread),
      },
    ],
  }
}

function ruleSuite(rule: RuleTally, { causes }: ReplayReport): Suite {
  const { name, action, matched, acted, skipped, failed, held } = rule
  return {
    name,
    properties: { action, matched, acted, skipped, failed, held },
    cases: Object.entries(rule.types).map(([type, counts]) => ({
      name: type === '' ? '(no type)' : type,
      isSkipped: counts.skipped > 0 && counts.skipped === counts.matched,
      problem: typeProblem(
        counts,
        causes.flatMap((cause) =>
          cause.rule === name && Object.hasOwn(cause.types, type) ? [ofType(cause, type)] : [],
        ),
      ),
    })),
  }
}

function typeProblem({ matched, failed, held }: Counts, causes: readonly CauseTally[]): Problem | undefined {
  if (failed + held === 0) return undefined
  const what = [...(failed > 0 ? [`${failed} failed`] : []), ...(held > 0 ? [`${held} held`] : [])]
  return failure(`${what.join(' and ')} of ${matched}`, causes)
}

function ofType(cause: CauseTally, type: string): CauseTally {
  return { ...cause, events: cause.types[type]! }
}

function failure(message: string, causes: readonly CauseTally[]): Problem {
  const lines = causes.map(
    ({ events, kind, code, message: why, examples }) =>
      `${events} ${kind} ${code}: ${why}${examples.length > 0 ? ` (such as ${examples.join('; ')})` : ''}`,
  )
  return { as: 'failure', type: causes[0]?.code ?? 'failed', message, lines }
}

function suiteLines({ name, properties, cases }: Suite, report: ReplayReport): string[] {
  const head = { name, ...totals(cases), time: seconds(report), timestamp: report.startedAt.slice(0, 19) }
  return [
    `  <testsuite${attributes(head)}>`,
    '    <properties>',
    ...Object.entries(properties).map(
      ([property, value]) => `      <property${attributes({ name: property, value })}/>`,
    ),
    '    </properties>',
    ...cases.flatMap((one) => caseLines(one, name)),
    '  </testsuite>',
  ]
}

function caseLines({ name, problem, isSkipped }: Case, classname: string): string[] {
  const head = `    <testcase${attributes({ name, classname, time: 0 })}`
  if (problem === undefined)
    return isSkipped ? [`${head}>`, '      <skipped/>', '    </testcase>'] : [`${head}/>`]
  const { as, type, message, lines } = problem
  return [
    `${head}>`,
    `      <${as}${attributes({ message, type })}>${escapeXml(lines.join('\n'))}</${as}>`,
    '    </testcase>',
  ]
}

function totals(cases: readonly Case[]) {
  const problems = cases.map(({ problem }) => problem?.as)
  return {
    tests: cases.length,
    failures: problems.filter((as) => as === 'failure').length,
    errors: problems.filter((as) => as === 'error').length,
    skipped: cases.filter(({ isSkipped, problem }) => isSkipped && problem === undefined).length,
  }
}

function seconds(report: ReplayReport): string {
  return report.seconds.toFixed(3)
}

function attributes(values: Readonly<Record<string, string | number | boolean>>): string {
  return Object.entries(values)
    .map(
      ([name, value]) =>
        ` ${name}="${escapeXml(String(value)).replace(/[\t\n\r]/g, (one) => `&#${one.charCodeAt(0)};`)}"`,
    )
    .join('')
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#13;',
}

/** What XML 1.0 has no way to write, an escape of it neither, becomes U+FFFD. */
function escapeXml(text: string): string {
  return (
    text
      .replace(/[\ud800-\udfff]/gu, '\ufffd')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
      .replace(/[&<>"\r]/g, (one) => entities[one]!)
  )
}
