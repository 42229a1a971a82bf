/**
 * A command: what it is called, what it takes and what it does.
 *
 * The declaration is light: help is made of it, so what a command works with is imported when it runs.
 */
import type { Cli } from './cli.ts'
import { usageError } from './errors.ts'
import { didYouMean } from './suggest.ts'

interface Described {
  readonly describe: string
  /** One letter. */
  readonly alias?: string
}
export interface TextOption extends Described {
  readonly type: 'text'
  /** Stands for the value in help, such as `URL`. */
  readonly value: string
  /** Said in help; the command applies it. */
  readonly defaultDescription?: string
}
/** May be given several times. */
export interface TextsOption extends Described {
  readonly type: 'texts'
  readonly value: string
}
export interface NumberOption extends Described {
  readonly type: 'integer' | 'seconds' | 'number'
  readonly min: number
  readonly max?: number
  readonly default?: number
}
export interface FlagOption extends Described {
  readonly type: 'flag'
}
export type Option = TextOption | TextsOption | NumberOption | FlagOption
export type Options = Readonly<Record<string, Option>>

/** `<name>` must be given, `[name]` may, `<name...>` takes all that follow. */
export type Positionals = Readonly<
  Record<string, { readonly kind: 'one' | 'optional' | 'many'; readonly describe: string }>
>

type OptionValue<Of extends Option> = Of extends FlagOption
  ? boolean
  : Of extends TextsOption
    ? readonly string[]
    : Of extends NumberOption
      ? Of extends { readonly default: number }
        ? number
        : number | undefined
      : string | undefined
type PositionalValue<Kind> = Kind extends 'one'
  ? string
  : Kind extends 'many'
    ? readonly string[]
    : string | undefined

export type Arguments<P extends Positionals, O extends Options> = {
  readonly [Name in keyof P]: PositionalValue<P[Name]['kind']>
} & { readonly [Name in keyof O]: OptionValue<O[Name]> }

export interface CommandDefinition<P extends Positionals, O extends Options> {
  /** One word, or two where it belongs to a group: `history list`. */
  readonly name: string
  readonly summary: string
  readonly positionals: P
  readonly options: O
  /** Command lines without `backstory`, and what each does. */
  readonly examples: readonly (readonly [commandLine: string, what: string])[]
  /** @returns The exit code. */
  run(args: Arguments<P, O>, cli: Cli): Promise<number>
}

/** A command whose arguments are yet to be read. */
export interface Command extends Omit<CommandDefinition<Positionals, Options>, 'run'> {
  run(args: Readonly<Record<string, unknown>>, cli: Cli): Promise<number>
}

export function defineCommand<const P extends Positionals, const O extends Options>(
  definition: CommandDefinition<P, O>,
): Command {
  // What `readArguments` makes of a command's declaration is what the declaration's types say.
  return { ...definition, run: (args, cli) => definition.run(args as Arguments<P, O>, cli) }
}

/** Options that every command has. */
export const commonOptions = {
  verbose: { type: 'flag', describe: 'Tell more, and the causes of an error' },
  'log-json': { type: 'flag', describe: 'Logs on standard error as JSON lines' },
} as const satisfies Options

/** For a module that holds several consumers. */
export const exportOption = {
  type: 'text',
  value: 'NAME',
  describe: 'The export that is the consumer',
  defaultDescription: 'default',
} as const

export const jsonOption = { type: 'flag', describe: 'Data for programs: JSON, one value a line' } as const
export const brokerOption = {
  type: 'text',
  value: 'URL',
  describe: 'RabbitMQ; several nodes of one cluster separated by commas',
  defaultDescription: 'BACKSTORY_BROKER, backstory.config, the one that `up` started, amqp://127.0.0.1:5672',
} as const
export const waitBrokerOption = {
  type: 'seconds',
  min: 0,
  describe: 'Give up where the broker does not answer for so long; default: never',
} as const
export const historyOption = {
  type: 'text',
  value: 'FILE',
  describe: 'The history: a SQLite file, or a postgres:// URL',
  defaultDescription: 'BACKSTORY_HISTORY, backstory.config, ./backstory-history.db',
} as const

/** The command's words and what it takes: `history list [--options]` without the options. */
export function usageOf({ name, positionals }: Pick<Command, 'name' | 'positionals'>): string {
  return [
    name,
    ...Object.entries(positionals).map(([positional, { kind }]) => placeOf(positional, kind)),
  ].join(' ')
}

function placeOf(positional: string, kind: 'one' | 'optional' | 'many'): string {
  if (kind === 'optional') return `[${positional}]`
  return kind === 'many' ? `<${positional}...>` : `<${positional}>`
}

/**
 * The arguments of a command, from what the parser found.
 *
 * @throws CliError `CLI_USAGE` for what is unknown, given twice or out of its range.
 */
export function readArguments(
  command: Command,
  found: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const hint = `backstory ${command.name} --help`
  const options: Options = { ...command.options, ...commonOptions }
  for (const name of Object.keys(found)) {
    const isKnown = Object.hasOwn(options, name) || Object.hasOwn(command.positionals, name)
    if (name === '_' || name === '$0' || isKnown) continue
    const dashes = name.length === 1 ? '-' : '--'
    const known = [...Object.keys(options), 'help']
    throw usageError(`Unknown option ${dashes}${name}${didYouMean(name, known, '--')}`, { hint })
  }
  const surplus = (found._ as readonly unknown[]).slice(command.name.split(' ').length)
  if (surplus.length > 0) {
    throw usageError(`\`${usageOf(command)}\` takes no ${surplus.join(' ')} besides`, { hint })
  }
  const args: Record<string, unknown> = {}
  for (const [name, { kind }] of Object.entries(command.positionals)) {
    if (kind === 'many') args[name] = ((found[name] ?? []) as readonly unknown[]).map(String)
    else args[name] = found[name] === undefined ? undefined : String(found[name])
    if (name === 'exchange') for (const exchange of [args[name] ?? []].flat()) requireRoom(exchange, hint)
    if (kind === 'one' && args[name] === '') throw usageError(`<${name}> must not be empty`, { hint })
  }
  for (const [name, option] of Object.entries(options)) {
    args[name] = optionValue(name, option, { found: found[name], hint })
  }
  return args
}

/** As its publisher or recorder would ask for; `requireExchangeName` is not loaded for `--help`. */
function requireRoom(exchange: unknown, hint: string): void {
  if (Buffer.byteLength(String(exchange)) <= exchangeBytesMax) return
  const message = `<exchange> must have at most ${exchangeBytesMax} bytes, since its queues are named after it`
  throw usageError(message, { hint })
}

/** 255 without `.history.dead`. */
const exchangeBytesMax = 242

function optionValue(
  name: string,
  option: Option,
  { found, hint }: { found: unknown; hint: string },
): unknown {
  const values = found === undefined ? [] : [found].flat().map(String)
  if (option.type === 'texts') return values
  const [value] = values
  if (option.type === 'flag') return values.at(-1) === 'true'
  if (values.length > 1) throw usageError(`--${name} was given ${values.length} times`, { hint })
  if (option.type === 'text') {
    if (value === '') throw usageError(`--${name} must not be empty`, { hint })
    return value
  }
  if (value === undefined) return option.default
  const number = Number(value)
  const { type, min, max = Number.MAX_SAFE_INTEGER } = option
  if (number >= min && number <= max && (type !== 'integer' || Number.isSafeInteger(number))) return number
  const range = option.max === undefined ? `${min} or more` : `${min} to ${max}`
  const kinds = { seconds: 'a number of seconds', number: 'a number', integer: 'a whole number' }
  throw usageError(`--${name} must be ${kinds[type]}, ${range}`, { hint })
}
