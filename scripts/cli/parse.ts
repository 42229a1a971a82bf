/**
 * The parser: what was typed, as a command with its arguments, or as the help that was asked for.
 *
 * yargs splits the arguments and lays out the help. What is unknown, missing or out of its range is found
 * from the commands' declarations, since yargs tells these by message only, and without a suggestion.
 */
import yargs, { type Argv, type Options as YargsOptions } from 'yargs'
import { type Command, commonOptions, type Option, readArguments, usageOf } from './command.ts'
import { type CliError, exitCodesHelp, usageError } from './errors.ts'
import { packageVersion } from './package-version.ts'
import { didYouMean } from './suggest.ts'

export type Parsed =
  | { readonly command: Command; readonly args: Readonly<Record<string, unknown>> }
  /** `isAsked` is false where a command is missing. */
  | { readonly text: string; readonly isAsked: boolean }

export interface ParseOptions {
  readonly commands: readonly Command[]
  readonly columns: number
}

const groups: Readonly<Record<string, string>> = {
  history:
    'Read a history: head, list, search, show, stats, tail; move it: export, import, copy, verify; forget: prune, erase',
  topology: 'Exchanges, queues and bindings: plan, apply, lint',
  parked: 'Look after events whose handler failed: list, groups, show, retry, edit, discard, restore',
  pattern: 'Event patterns: test',
  consumers: 'See how far consumers are, and whether they are complete: status, certificate',
}

const about = `$0 <command>

RabbitMQ fan-out that remembers: record every event of an exchange, bootstrap
late consumers from the history, and go live with nothing missed and nothing twice.`

const aboutSettings = `Settings come from options, then the environment (BACKSTORY_BROKER,
BACKSTORY_HISTORY), then backstory.config.ts (.js, .mjs or .json) in the working
folder. Data goes to standard output, everything else to standard error.`

/** @throws CliError `CLI_USAGE`. */
export async function parse(args: readonly string[], { commands, columns }: ParseOptions): Promise<Parsed> {
  requireBareFlags(args, commands)
  requireSingleNumbers(args, commands)
  let chosen: Parsed | undefined
  let help = ''
  const choose = (command: Command) => (found: object) => {
    chosen = { command, args: readArguments(command, withDashes(found)) }
  }
  const parser = declare(commands, { args, choose, columns, showsHelp: asksForHelp(args) })
  await parser.parseAsync(
    args.map((arg) => (arg === '-' ? dash : arg)),
    {},
    (_error, _found, output) => {
      help = output
    },
  )
  if (help !== '') return { text: help, isAsked: true }
  return chosen ?? (await nothingChosen(args, { commands, columns }))
}

/** In each way that yargs knows, and some that it does not. */
function asksForHelp(args: readonly string[]): boolean {
  return args.length === 0 || args.some((arg) => arg === 'help' || /^(--help|-[^-]*h)/.test(arg))
}

/** yargs takes `--live=yes` for false. */
function requireBareFlags(args: readonly string[], commands: readonly Command[]): void {
  const flags = flagsOf(commands)
  for (const arg of args) {
    const [, name, value] = /^--([^=]+)=(.*)$/s.exec(arg) ?? []
    if (name === undefined || !flags.has(name) || value === 'true' || value === 'false') continue
    throw usageError(`--${name} takes no value`)
  }
}

/** yargs takes the second of `--limit 3 --limit 1` for a step up, and makes 4 of it. */
function requireSingleNumbers(args: readonly string[], commands: readonly Command[]): void {
  for (const [name, { type }] of commands.flatMap(({ options }) => Object.entries<Option>(options))) {
    if (type !== 'integer' && type !== 'seconds' && type !== 'number') continue
    const given = args.filter((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`))
    if (given.length > 1) throw usageError(`--${name} was given ${given.length} times`)
  }
}

/** yargs makes an empty text of a lone `-`. What stands for it meanwhile can be in no argument. */
const dash = '\0-'

function withDashes(found: object): Readonly<Record<string, unknown>> {
  const restore = (value: unknown): unknown => (value === dash ? '-' : value)
  return Object.fromEntries(
    Object.entries(found).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(restore) : restore(value),
    ]),
  )
}

/** Either nothing was named, or something that is no command. */
async function nothingChosen(args: readonly string[], options: ParseOptions): Promise<Parsed> {
  const [first, second] = args.filter((arg) => !arg.startsWith('-'))
  const [dashed] = args.filter((arg) => arg.startsWith('-') && !(arg.replace('--', '') in commonOptions))
  const names = options.commands.map(({ name }) => name)
  const isGroup = first !== undefined && Object.hasOwn(groups, first)
  const word = isGroup ? second : first
  if (word !== undefined) {
    const known = isGroup
      ? names.filter((name) => name.startsWith(`${first} `)).map((name) => name.slice(first.length + 1))
      : [...names, ...Object.keys(groups)]
    const hint = isGroup ? `backstory ${first} --help` : undefined
    throw usageError(`Unknown command ${isGroup ? `${first} ` : ''}${word}${didYouMean(word, known)}`, {
      hint,
    })
  }
  if (dashed !== undefined) throw usageError(`Unknown option ${dashed}; name a command first`)
  const help = await parse([...(isGroup ? [first] : []), '--help'], options)
  return { ...help, isAsked: false } as Parsed
}

function declare(
  commands: readonly Command[],
  {
    args,
    choose,
    columns,
    showsHelp,
  }: {
    args: readonly string[]
    choose: (command: Command) => (found: object) => void
    columns: number
    showsHelp: boolean
  },
): Argv {
  const parser = yargs()
    .scriptName('backstory')
    .locale('en')
    .usage(about)
    .epilogue(`${aboutSettings}\n\n${exitCodesHelp}`)
    .updateStrings({ 'Not enough arguments following: %s': 'A value is missing behind --%s' })
    .version(packageVersion())
    .wrap(Math.min(Math.max(columns, 60), 100))
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message, error) => {
      // An error of its own is one of a command's declaration, ours or a bug.
      if (error !== undefined && error.name !== 'YError') throw error
      // It has no words for which positional is missing.
      throw missing(error === undefined ? '' : message, args, commands)
    })
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'strip-aliased': true,
    })
  declareFlags(parser, commands)
  for (const command of commands.filter(({ name }) => !name.includes(' '))) {
    declareCommand(parser, command, { handler: choose(command), showsHelp })
  }
  for (const [group, summary] of Object.entries(groups)) {
    parser.command(group, summary, (inner) => {
      inner.usage(`$0 ${group} <command>\n\n${summary}`).epilogue(exitCodesHelp)
      declareFlags(inner, commands)
      for (const command of commands.filter(({ name }) => name.startsWith(`${group} `))) {
        declareCommand(inner, command, { handler: choose(command), showsHelp })
      }
      return inner
    })
  }
  return parser
}

/** A flag before the command would else take the command's name for its value. */
function declareFlags(parser: Argv, commands: readonly Command[]): void {
  for (const flag of flagsOf(commands)) {
    if (!(flag in commonOptions)) parser.option(flag, { type: 'boolean', hidden: true, global: false })
  }
  for (const [option, declared] of Object.entries(commonOptions)) parser.option(option, toYargs(declared))
}

function flagsOf(commands: readonly Command[]): Set<string> {
  const all = [...commands.map(({ options }) => options), commonOptions].flatMap(Object.entries<Option>)
  return new Set(all.filter(([, { type }]) => type === 'flag').map(([name]) => name))
}

/**
 * yargs lays out the help of each command that runs, which takes longer than all else that it does: it is given
 * little to lay out.
 */
function declareCommand(
  parser: Argv,
  command: Command,
  { handler, showsHelp }: { handler: (found: object) => void; showsHelp: boolean },
): void {
  const { name, summary, positionals, options, examples } = command
  const own = usageOf(command)
    .split(' ')
    .slice(name.split(' ').length - 1)
    .join(' ')
  const build = (inner: Argv): Argv => {
    if (showsHelp) inner.usage(`$0 ${usageOf(command)}\n\n${summary}`).epilogue(exitCodesHelp)
    for (const [positional, { kind, describe }] of Object.entries(positionals)) {
      inner.positional(positional, { type: 'string', array: kind === 'many', describe })
    }
    for (const [option, declared] of Object.entries({ ...options, ...commonOptions })) {
      inner.option(option, { ...toYargs(declared), hidden: !showsHelp })
    }
    if (!showsHelp) return inner
    for (const [commandLine, what] of examples) inner.example(`$0 ${commandLine}`, what)
    return inner
  }
  // yargs writes a tail of arguments with two dots.
  parser.command(own.replaceAll('...', '..'), summary, build, handler)
}

function toYargs(option: Option): YargsOptions {
  const { describe, alias } = option
  switch (option.type) {
    case 'flag':
      return { type: 'boolean', describe, alias }
    case 'texts':
      return { type: 'string', array: true, requiresArg: true, describe, alias }
    case 'text':
      return {
        type: 'string',
        requiresArg: true,
        describe,
        alias,
        defaultDescription: option.defaultDescription,
      }
    default:
      return {
        type: 'number',
        requiresArg: true,
        describe,
        alias,
        defaultDescription: option.default?.toString(),
      }
  }
}

/** What yargs finds by itself: a `<positional>`, or the value of an option, is missing. */
function missing(message: string, args: readonly string[], commands: readonly Command[]): CliError {
  const words = args.filter((arg) => !arg.startsWith('-'))
  const command = commands.find(({ name }) => name.split(' ').every((word, index) => words[index] === word))
  if (command === undefined) return usageError(message)
  const hint = `backstory ${command.name} --help`
  return usageError(`${message || 'Something is missing'}: backstory ${usageOf(command)}`, { hint })
}
