import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Cli } from './cli.ts'
import { type Command, commonOptions } from './command.ts'
import { commands } from './commands/all.ts'
import { CliError, exitCodeOf, Interrupted } from './errors.ts'
import { parse } from './parse.ts'
import { runCli, startCli, tempFolder } from './run-cli.fixture.ts'

const root = join(import.meta.dirname, '../..')

for (const command of commands) {
  test(`the help of ${command.name} has examples that parse, its options and the exit codes`, async (t) => {
    const { code, stdout, stderr } = await runCli([...command.name.split(' '), '--help'], {
      cwd: tempFolder(t),
    })
    assert.equal(code, 0)
    assert.equal(stderr, '')
    for (const option of Object.keys(command.options)) assert.ok(stdout.includes(`--${option}`), option)
    assert.match(stdout, /Examples:/)
    assert.match(stdout, /Exit codes:\n +0 +done/)
    assert.ok(command.examples.length > 0)
    for (const [example] of command.examples) await parses(`backstory ${example}`)
  })
}

test('the command lines in README and docs/cli.md parse, and every command and option stands there', async () => {
  for (const line of shellLines(readFileSync(join(root, 'README.md'), 'utf8'))) await parses(line)
  const text = readFileSync(join(root, 'docs/cli.md'), 'utf8')
  const lines = shellLines(text)
  assert.ok(lines.length > 10)
  for (const line of lines) await parses(line)
  for (const { name, options } of commands) {
    const section = sectionOf(text, name)
    for (const option of Object.keys({ ...options }))
      assert.ok(section.includes(`--${option}`), `${name} --${option}`)
  }
  for (const option of Object.keys(commonOptions)) assert.ok(text.includes(`--${option}`), option)
})

function shellLines(text: string): string[] {
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block!)
  return blocks.flatMap((block) => block.split('\n')).filter((line) => line.includes('backstory '))
}

/** From a command's title to the next. */
function sectionOf(text: string, name: string): string {
  const from = text.indexOf(`### \`backstory ${name}\``)
  assert.notEqual(from, -1, `docs/cli.md has no section for ${name}`)
  const next = text.slice(from + 3).search(/^##/m)
  return next === -1 ? text.slice(from) : text.slice(from, from + 3 + next)
}

/** Every `backstory` in a line of shell, with its pipes. */
async function parses(line: string): Promise<void> {
  for (const part of line.split('|').map((text) => text.trim())) {
    const words = [...part.replace(/ #.*| [<>] .*/g, '').matchAll(/'([^']*)'|(\S+)/g)].map(
      ([, quoted, bare]) => quoted ?? bare!,
    )
    const at = words.indexOf('backstory')
    if (at === -1) continue
    const parsed = await parse(words.slice(at + 1), { commands, columns: 80 })
    assert.ok('command' in parsed || parsed.isAsked, part)
  }
}

for (const [args, message] of [
  ['recrod orders', /Unknown command recrod \(did you mean record\?\)/],
  ['history lst', /Unknown command history lst \(did you mean list\?\)/],
  ['frobnicate', /Unknown command frobnicate\. See/],
  ['record orders --histroy x', /Unknown option --histroy \(did you mean --history\?\)/],
  ['record orders --prefetch 0', /--prefetch must be a whole number, 1 to 65535/],
  ['record orders --prefetch many', /--prefetch must be a whole number/],
  ['record orders --every 0.01', /--every must be a number of seconds, 0.1 to 86400/],
  ['record orders --batch', /A value is missing behind --batch/],
  ['record orders --batch 1 --batch 2', /--batch was given 2 times/],
  ['record orders --batch 3 --batch 1', /--batch was given 2 times/],
  ['record', /Something is missing: backstory record <exchange>\. See backstory record --help/],
  ['record orders payments', /takes no payments besides/],
  ['history show', /Something is missing: backstory history show <event>/],
  ['history show abc', /abc is no position; an id needs its --source/],
  ['history show 1 --body --json', /--body and --json do not go together/],
  ['history list --last 1 --limit 1', /--last and --limit do not go together/],
  ['publish orders --data 1', /--data belongs to one event, which needs a --type/],
  ['publish orders --header a=b', /--header belongs to one event/],
  ['publish orders --type t --data nope', /--data must be JSON/],
  ['publish orders --type t --header nope', /--header must be NAME=VALUE/],
  ['publish orders file --type t', /Either a file, or one event/],
  ['publish orders missing.jsonl', /missing\.jsonl cannot be read/],
  ['record orders --broker http://user:secret@host', /Expected the broker to be a URL/],
  ['bootstrap missing.ts', /missing\.ts does not exist/],
  ['-q', /Unknown option -q/],
  ['constructor', /Unknown command constructor/],
  ['record orders --health-host 0.0.0.0', /--health-host belongs to --health/],
  ['record orders --health 70000', /--health must be a whole number, 0 to 65535/],
  ['record orders --standby=maybe', /--standby takes no value/],
] as const) {
  test(`${args}: exit code 2, one line that says what is wrong`, async (t) => {
    const { code, stdout, stderr } = await runCli(args.split(' '), { cwd: tempFolder(t) })
    assert.equal(code, 2)
    assert.equal(stdout, '')
    assert.match(stderr, message)
    assert.match(stderr, /^CLI_[A-Z_]+: [^\n]+\n$/)
    assert.doesNotMatch(stderr, /secret/)
  })
}

test('no command, and a group without one, show the help on standard error', async (t) => {
  for (const args of [[], ['history']]) {
    const { code, stdout, stderr } = await runCli(args, { cwd: tempFolder(t) })
    assert.equal(code, 2)
    assert.equal(stdout, '')
    assert.match(stderr, /Commands:/)
  }
})

test('a lone - and values that look like other things arrive as they were typed', async () => {
  const parsed = await parse(['publish', '007', '-', '--source=-x', '--verbose'], { commands, columns: 80 })
  assert.ok('command' in parsed)
  const { exchange, file, source, verbose } = parsed.args
  assert.deepEqual(
    { exchange, file, source, verbose },
    { exchange: '007', file: '-', source: '-x', verbose: true },
  )
})

test('options may stand before the command', async () => {
  for (const line of [
    '--verbose --json history head',
    '--history h.db --json history head',
    'history --json head',
  ]) {
    const parsed = await parse(line.split(' '), { commands, columns: 80 })
    assert.ok('command' in parsed, line)
    assert.equal(parsed.command.name, 'history head')
    assert.equal(parsed.args.json, true)
  }
})

test('--version is that of the package', async (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  assert.equal((await runCli(['--version'], { cwd: tempFolder(t) })).stdout.trim(), version)
})

test('each kind of error has its exit code', () => {
  const coded = (code: string) => Object.assign(new Error('x'), { code })
  for (const [error, exitCode] of [
    [new CliError('CLI_NOT_FOUND', 'x'), 1],
    [new CliError('CLI_USAGE', 'x'), 2],
    [coded('BROKER_UNREACHABLE'), 3],
    [coded('PUBLISH_TIMEOUT'), 3],
    [coded('SERVICE_NOT_FOUND'), 3],
    [coded('HISTORY_LOCKED'), 4],
    [coded('CONSUMER_HANDLER_FAILED'), 5],
    [coded('HEALTH_ADDRESS_UNAVAILABLE'), 2],
    [new CliError('CLI_SHUTDOWN_TIMEOUT', 'x'), 124],
    [coded('EPERM'), 70],
    [new TypeError('x'), 70],
    ['text', 70],
    [new Interrupted('SIGINT'), 130],
    [new Interrupted('SIGTERM'), 143],
  ] as const) {
    assert.equal(exitCodeOf(error), exitCode)
  }
})

const broken: Command = {
  name: 'broken',
  summary: 'Breaks',
  positionals: {},
  options: {},
  examples: [],
  run: (_args, _cli: Cli) => Promise.reject(new Error('never')),
}

test('a bug has its stack, an expected error only with --verbose that of its cause', async (t) => {
  const cwd = tempFolder(t)
  const bug = await runWith(broken, [], cwd)
  assert.equal(bug.code, 70)
  assert.match(bug.stderr, /bug of Backstory[\s\S]*Error: never\n +at /)
  const expected = {
    ...broken,
    run: () => Promise.reject(new CliError('CLI_MODULE_INVALID', 'wrong', { cause: new Error('below') })),
  }
  assert.equal((await runWith(expected, [], cwd)).stderr, 'CLI_MODULE_INVALID: wrong\n')
  const verbose = await runWith(expected, ['--verbose'], cwd)
  assert.match(verbose.stderr, /^CLI_MODULE_INVALID: wrong\ncaused by Error: below\n +at /)
  const json = JSON.parse((await runWith(expected, ['--log-json'], cwd)).stderr) as Record<string, unknown>
  assert.equal(json.event, 'command.failed')
  assert.equal(json.code, 'CLI_MODULE_INVALID')
})

async function runWith(command: Command, args: readonly string[], cwd: string) {
  return await runCli([command.name, ...args], { cwd, commands: [command] })
}

test('the first signal is told to the command, the second one ends the process at once', async (t) => {
  let finish: (() => void) | undefined
  const stubborn: Command = {
    ...broken,
    async run(_args, cli) {
      const signal = cli.stopSignal()
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      return signal.aborted ? 0 : 1
    },
  }
  const running = startCli(['broken'], { cwd: tempFolder(t), commands: [stubborn] })
  while (finish === undefined) await new Promise(setImmediate)
  running.signal('SIGINT')
  assert.equal(running.exited, undefined)
  running.signal('SIGTERM')
  assert.equal(running.exited, 143)
  finish()
  assert.equal((await running.done).code, 0)
})
