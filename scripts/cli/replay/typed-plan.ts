/** A plan out of what was typed: a file, or options that say one with a single rule. */
import { readFile } from 'node:fs/promises'
import type { Plan, PlanAddress } from '../../../replay/index.ts'
import type { Cli } from '../cli.ts'
import type { Options } from '../command.ts'
import { CliError, usageError } from '../errors.ts'

const hint = 'backstory replay --help'

export const planOptions = {
  from: {
    type: 'text',
    value: 'SOURCE',
    describe: 'Where events are read: history, a FILE or glob of JSON, - for standard input, or an address',
  },
  'from-option': { type: 'texts', value: 'NAME=VALUE', describe: 'For the source: see docs/replay.md' },
  where: {
    type: 'text',
    value: 'PATTERN',
    describe: 'An EventBridge event pattern, as JSON or in a file; default: every event',
  },
  to: {
    type: 'text',
    value: 'ACTION',
    describe: 'What is done: print, files:…, sqlite:…, exchange:…, https://…',
  },
  'to-option': {
    type: 'texts',
    value: 'NAME=VALUE',
    describe: 'For the action: table=orders, columns.number=$.subject …',
  },
  plan: { type: 'text', value: 'FILE', describe: 'All of this as YAML or JSON, with several rules' },
  order: {
    type: 'text',
    value: 'ORDER',
    describe: 'global: one after the other; key: in order within a key; none',
    defaultDescription: 'global',
  },
  key: {
    type: 'text',
    value: 'PATH',
    describe: 'What order is kept by, such as $.data.customer',
    defaultDescription: 'the subject',
  },
  concurrency: {
    type: 'integer',
    min: 1,
    max: 1_000,
    describe: 'Batches in flight, for --order key and none',
  },
  rate: { type: 'number', min: 0.001, describe: 'Events a second at most' },
  speed: { type: 'number', min: 0.001, describe: 'Recorded timing: 1 as published, 10 ten times as fast' },
  retries: {
    type: 'integer',
    min: 0,
    describe: 'Tries after the first where a service throttles or is away',
  },
  'max-errors': {
    type: 'text',
    value: 'N|N%',
    describe: 'How many events may fail: the next one ends it',
    defaultDescription: '1000',
  },
} as const satisfies Options

export interface TypedPlan {
  readonly from: string | undefined
  readonly 'from-option': readonly string[]
  readonly where: string | undefined
  readonly to: string | undefined
  readonly 'to-option': readonly string[]
  readonly plan: string | undefined
  readonly order: string | undefined
  readonly key: string | undefined
  readonly concurrency: number | undefined
  readonly rate: number | undefined
  readonly speed: number | undefined
  readonly retries: number | undefined
  readonly 'max-errors': string | undefined
}

/** Undefined where nothing was typed that says what to do. */
export async function typedPlan(cli: Cli, typed: TypedPlan): Promise<Plan | undefined> {
  const { checkPlan } = await import('../../../replay/index.ts')
  const { plan: file, from, where, to, 'from-option': fromOption, 'to-option': toOption } = typed
  const isSaid = [from, where, to].some((one) => one !== undefined) || fromOption.length + toOption.length > 0
  if (file !== undefined) {
    if (isSaid) throw usageError('--plan says it all: leave out --from, --where and --to', { hint })
    const plan = await readPlan(cli, file)
    return checkPlan({ ...plan, ...orderTyped(typed), ...howTyped(typed, plan) }, { name: file })
  }
  if (!isSaid) return undefined
  if (from === undefined || to === undefined) throw usageError('Give --from and --to, or a --plan', { hint })
  const rule = {
    ...(where !== undefined && { where: await readPattern(cli, where) }),
    to: addressOf('to-option', to, toOption),
  }
  const said = {
    from: addressOf('from-option', from, fromOption),
    rules: [rule],
    ...orderTyped(typed),
    ...howTyped(typed),
  }
  return checkPlan(said, { name: 'what was typed' })
}

/** What a run begins with, and goes on with. */
export function orderTyped({ order, key }: TypedPlan): { readonly order?: string; readonly key?: string } {
  return { ...(order !== undefined && { order }), ...(key !== undefined && { key }) }
}

/**
 * What may be typed beside a plan, or anew where a run goes on.
 *
 * @param plan - Whose other retries stay.
 */
export function howTyped(
  typed: TypedPlan,
  plan?: Plan,
): Pick<Plan, 'concurrency' | 'rate' | 'speed' | 'retries' | 'maxErrors'> {
  const { concurrency, rate, speed, retries, 'max-errors': maxErrors } = typed
  return {
    ...(concurrency !== undefined && { concurrency }),
    ...(rate !== undefined && { rate }),
    ...(speed !== undefined && { speed }),
    ...(retries !== undefined && { retries: { ...plan?.retries, throttled: retries, unavailable: retries } }),
    ...(maxErrors !== undefined && { maxErrors: limitOf(maxErrors) }),
  }
}

function limitOf(text: string): number | `${number}%` {
  if (/^\d+$/.test(text)) return Number(text)
  if (/^(100|\d{1,2}(\.\d+)?)%$/.test(text)) return text as `${number}%`
  throw usageError(`--max-errors must be a number, or a share such as 5%, not ${text}`, { hint })
}

async function readPlan(cli: Cli, file: string): Promise<Plan> {
  const { parsePlan } = await import('../../../replay/index.ts')
  return parsePlan(await readText(cli, file, '--plan'), { name: file })
}

async function readPattern(cli: Cli, typed: string): Promise<unknown> {
  const isInline = typed.trimStart().startsWith('{')
  const text = isInline ? typed : await readText(cli, typed, '--where')
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw usageError(`--where is no JSON: ${(cause as Error).message}`, { hint })
  }
}

async function readText(cli: Cli, file: string, option: string): Promise<string> {
  try {
    return await readFile(cli.path(file), 'utf8')
  } catch (cause) {
    const message = `${option}: ${file} cannot be read: ${(cause as Error).message}`
    throw new CliError('CLI_FILE_UNREADABLE', message, { cause })
  }
}

/** `columns.number=$.subject` is a member of a member. What begins as JSON does is read as JSON. */
function addressOf(option: string, address: string, assignments: readonly string[]): PlanAddress {
  if (assignments.length === 0) return address
  const options: Record<string, unknown> = {}
  for (const assignment of assignments) {
    const at = assignment.indexOf('=')
    if (at < 1) throw usageError(`--${option} must be NAME=VALUE, not ${assignment}`, { hint })
    const name = assignment.slice(0, at)
    if (!assign(options, name.split('.'), optionValue(assignment.slice(at + 1))))
      throw usageError(`--${option} ${name} is given twice; several values are a list: ${name}='["a","b"]'`, {
        hint,
      })
  }
  return { ...options, address }
}

/** @returns false where there is a value already. */
function assign(
  into: Record<string, unknown>,
  [name = '', ...rest]: readonly string[],
  value: unknown,
): boolean {
  const isThere = Object.hasOwn(into, name)
  if (rest.length === 0) {
    if (!isThere) into[name] = value
    return !isThere
  }
  if (!isThere) into[name] = {}
  const inner = into[name]
  if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return false
  return assign(inner as Record<string, unknown>, rest, value)
}

function optionValue(text: string): unknown {
  if (!/^[[{]/.test(text)) return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
