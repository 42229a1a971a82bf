/** The bench's arguments. */
import { parseArgs } from 'node:util'
import { type RowName, rowNames } from './row.ts'

export interface BenchOptions {
  readonly rows: readonly RowName[]
  readonly rounds: number
  /** Events a round; undefined leaves it to each row. */
  readonly events: number | undefined
  readonly quick: boolean
  readonly json: boolean
  readonly out: string | undefined
  readonly profileDir: string | undefined
  readonly brokerUrl: string | undefined
}

/** They measure what a machine with more processors gains. */
const namedOnly: readonly RowName[] = ['partitions', 'partitions-postgres']

export const usage = `npm run bench -- [options]

  --rows NAMES    Rows to measure, separated by commas, of
                  ${rowNames.join(', ')}.
                  Default: all but ${namedOnly.join(' and ')}.
  --rounds N      Rounds of each, after one that does not count. Default 5.
  --events N      Events a round. Default: each row's own.
  --quick         Some seconds instead of minutes: one short round. The figures mean nothing.
  --json          JSON on standard output instead of the table.
  --out FILE      JSON into a file as well.
  --profile DIR   A CPU profile of each measured process.
  --broker URL    Use this RabbitMQ. Default: a private one.
  --help

Peers that the project itself does not need are installed with: npm ci --prefix scripts/bench/peers

Examples:
  npm run bench
  npm run -s bench -- --rows publish,record --json > figures.json
`

/**
 * @returns undefined where help is asked for.
 * @throws TypeError for an unknown option or a value out of its range.
 */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string' },
      rounds: { type: 'string' },
      events: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      out: { type: 'string' },
      profile: { type: 'string' },
      broker: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const { quick, json } = values
  return {
    rows: parseRows(values.rows),
    rounds: values.rounds === undefined ? (quick ? 1 : 5) : parseCount('--rounds', values.rounds),
    events: values.events === undefined ? undefined : parseCount('--events', values.events),
    quick,
    json,
    out: values.out,
    profileDir: values.profile,
    brokerUrl: values.broker,
  }
}

function parseRows(text: string | undefined): readonly RowName[] {
  if (text === undefined) return rowNames.filter((name) => !namedOnly.includes(name))
  return text.split(',').map((name) => {
    const row = rowNames.find((known) => known === name.trim())
    if (row === undefined) throw new TypeError(`Expected --rows from ${rowNames.join(', ')}, got ${name}`)
    return row
  })
}

function parseCount(option: string, text: string): number {
  const count = Number(text)
  if (Number.isSafeInteger(count) && count >= 1) return count
  throw new TypeError(`Expected ${option} to be a whole number from 1, got ${text}`)
}
