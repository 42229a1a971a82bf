/** The chaos run's arguments. */
import { parseArgs } from 'node:util'
import { type BreakName, breakNames, breaks } from './break/breaks.ts'
import type { RabbitmqChoice } from './cluster.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly seconds: number
  readonly nodes: number
  readonly rabbitmq: RabbitmqChoice
  /** Whether a consumer in two processes has its store in PostgreSQL. */
  readonly postgres: boolean
  readonly perSecond: number
  readonly settleSeconds: number
  /** Which deliberately broken build the processes run; undefined for ours. */
  readonly broken: BreakName | undefined
  readonly json: boolean
  /** Leaves the logs, ledgers and stores of a run that found something. */
  readonly keep: boolean
}

export const usage = `npm run chaos -- [options]

  --seed N            Draws the schedule of faults. Default: a random one, which is told.
  --seconds S         How long faults happen. Default 60.
  --nodes N           1, or 3 for a cluster. Default 1.
  --rabbitmq 3|4      The installed one, or RabbitMQ 4 in a folder of its own, prepared at the first use by
                      root on Debian. Default: the installed one, whichever it is.
  --postgres          One consumer more, in two processes, on a private PostgreSQL that is killed too.
  --rate N            Events a second of each publisher. Default 150.
  --settle-seconds S  How long all may take to come to rest afterwards. Default 90.
  --break NAME        Run a deliberately broken build, which a check must catch:
${breakNames.map((name) => `${' '.repeat(22)}${name.padEnd(18)} without ${breaks[name].without}`).join('\n')}
  --keep              Keep the folder with logs, ledgers and stores.
  --json              One JSON object on standard output.
  --help

Exit code: 0 where every check holds, 1 where one does not, 2 where it could not be run.

Examples:
  npm run chaos -- --seed 7 --seconds 120
  npm run -s chaos -- --seed 7 --seconds 120 --nodes 3 --json > verdict.json
`

/**
 * @returns undefined where help is asked for.
 * @throws TypeError for an unknown option or a value out of its range.
 */
export function parseOptions(args: readonly string[]): ChaosOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      seconds: { type: 'string', default: '60' },
      nodes: { type: 'string', default: '1' },
      rabbitmq: { type: 'string', default: '3' },
      postgres: { type: 'boolean', default: false },
      rate: { type: 'string', default: '150' },
      'settle-seconds': { type: 'string', default: '90' },
      break: { type: 'string' },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  return {
    seed: parseCount('--seed', values.seed ?? String(Math.floor(Math.random() * 1_000_000)), {
      max: 2 ** 31 - 1,
    }),
    seconds: parseCount('--seconds', values.seconds, { max: 86_400 }),
    nodes: parseCount('--nodes', values.nodes, { max: 7 }),
    rabbitmq: parseRabbitmq(values.rabbitmq),
    postgres: values.postgres,
    perSecond: parseCount('--rate', values.rate, { max: 10_000 }),
    settleSeconds: parseCount('--settle-seconds', values['settle-seconds'], { max: 3_600 }),
    broken: values.break === undefined ? undefined : parseBreak(values.break),
    json: values.json,
    keep: values.keep,
  }
}

function parseRabbitmq(text: string): RabbitmqChoice {
  if (text === '4') return '4'
  if (text === '3') return 'installed'
  throw new TypeError(`Expected --rabbitmq to be 3 or 4, got ${text}`)
}

function parseBreak(text: string): BreakName {
  const name = breakNames.find((known) => known === text)
  if (name !== undefined) return name
  throw new TypeError(`Expected --break to be one of ${breakNames.join(', ')}, got ${text}`)
}

function parseCount(option: string, text: string, { max }: { max: number }): number {
  const count = Number(text)
  if (
    text.trim() !== '' &&
    Number.isSafeInteger(count) &&
    count >= (option === '--seed' ? 0 : 1) &&
    count <= max
  )
    return count
  throw new TypeError(`Expected ${option} to be a whole number up to ${max}, got ${text}`)
}
