import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { attributesOf, toMessage } from '../../../events/index.ts'
import { openHistoryWriter } from '../../../history/index.ts'
import { noSmallDisk, smallDisk } from '../../../history/sqlite/full-disk.fixture.ts'
import { planSchema } from '../../../replay/index.ts'
import { pluginTarget } from '../../../replay/plugin-target.fixture.ts'
import { source as queue } from '../../../replay/sources/queue.ts'
import { type RunOptions, runCli, startCli, tempFolder } from '../run-cli.fixture.ts'

/** An action that keeps a file of ids, and refuses those that the file `refused` names. */
const keeper = `
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ActionFailure } from '${new URL('../../../replay/index.ts', import.meta.url).href}'
export const action = {
  address: './keep.ts', summary: 'Keeps ids', options: {},
  create({ options, context }) {
    const file = join(context.cwd, 'kept')
    const refused = join(context.cwd, 'refused')
    return {
      name: 'keep', isLocal: options.remote === undefined, isIdempotent: true, batchMax: 10, stopsAtFailure: true,
      prepare: (event) => event.attributes.id,
      describe: (id) => ({ kind: 'text', to: 'kept', text: id }),
      async open() {},
      async act(ids) {
        const bad = existsSync(refused) ? readFileSync(refused, 'utf8').split('\\n') : []
        const outcomes = []
        for (const id of ids) {
          if (bad.includes(id)) return [...outcomes, new ActionFailure('refused', 'BAD', 'id ' + id + ' is bad')]
          appendFileSync(file, id + '\\n')
          outcomes.push('done')
        }
        return outcomes
      },
      async close() {},
    }
  },
}
`

async function place(t: TestContext, { events = 20 } = {}) {
  const cwd = tempFolder(t)
  const writer = await openHistoryWriter({ history: join(cwd, 'backstory-history.db'), exchange: 'orders' })
  const numbers = Array.from({ length: events }, (_, at) => at + 1)
  const messages = numbers.map((n) =>
    toMessage(
      {
        type: n % 2 === 0 ? 'order.paid' : 'order.placed',
        subject: `EC-${n % 4}`,
        id: `o-${n}`,
        data: { n },
      },
      { exchange: 'orders', source: '/shop' },
    ),
  )
  await writer.append({
    events: messages.map((message) => ({ ...attributesOf(message), message })),
    fences: [],
  })
  await writer.close()
  writeFileSync(join(cwd, 'keep.ts'), keeper)
  return {
    cwd,
    run: (args: string[], options: Partial<RunOptions> = {}) =>
      runCli(['replay', ...args], { cwd, ...options }),
    kept: () => linesOf(join(cwd, 'kept')),
    refuse: (...ids: string[]) => writeFileSync(join(cwd, 'refused'), ids.join('\n')),
    runs: () =>
      existsSync(join(cwd, '.backstory/replays')) ? readdirSync(join(cwd, '.backstory/replays')) : [],
  }
}

function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
}

test('events of the history are picked by a pattern and printed; the report is told beside them', async (t) => {
  const { run, runs } = await place(t)
  const where = '{"type":["order.paid"],"data":{"n":[{"numeric":[">",10]}]}}'
  const { code, stdout, stderr } = await run(['--from', 'history', '--where', where, '--to', 'print'])
  assert.equal(code, 0)
  const printed = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).data.n)
  assert.deepEqual(printed, [12, 14, 16, 18, 20])
  assert.match(stderr, /20/)
  assert.deepEqual(runs(), [])
})

test('the source has options of its own, and so has the action', async (t) => {
  const { run, kept } = await place(t)
  const options = ['--from-option', 'after=5', '--from-option', 'upTo=9', '--from-option', 'types=order.paid']
  const { code, stdout } = await run(['--from', 'history', ...options, '--to', './keep.ts', '--json'])
  assert.equal(code, 0)
  assert.deepEqual(kept(), ['o-6', 'o-8'])
  const report = JSON.parse(stdout)
  assert.deepEqual([report.read, report.picked, report.failed, report.exitCode], [2, 2, 0, 0])
})

test('a plan has several rules, and its reports are files', async (t) => {
  const { cwd, run, kept } = await place(t)
  const plan = `
from: { address: history, after: 4 }
order: key
key: $.subject
rules:
  - { name: paid, where: { type: [order.paid] }, to: ./keep.ts }
  - { name: all, to: print }
`
  writeFileSync(join(cwd, 'plan.yaml'), plan)
  const { code } = await run(['--plan', 'plan.yaml', '--report', 'r.json', '--report', 'r.xml'])
  assert.equal(code, 0)
  assert.deepEqual(kept().sort(), ['o-10', 'o-12', 'o-14', 'o-16', 'o-18', 'o-20', 'o-6', 'o-8'])
  const report = JSON.parse(readFileSync(join(cwd, 'r.json'), 'utf8'))
  assert.deepEqual(
    report.rules.map(({ name, acted }: { name: string; acted: number }) => [name, acted]),
    [
      ['paid', 8],
      ['all', 16],
    ],
  )
  assert.match(readFileSync(join(cwd, 'r.xml'), 'utf8'), /<testsuite/)
})

test('a dry run does nothing, leaves nothing, and tells what it would do', async (t) => {
  const { run, kept, runs } = await place(t)
  const { code, stdout } = await run(['--from', 'history', '--to', './keep.ts', '--dry-run', '--json'])
  assert.equal(code, 0)
  assert.deepEqual([kept(), runs()], [[], []])
  const report = JSON.parse(stdout)
  assert.deepEqual([report.dryRun, report.rules[0].acted, report.rules[0].samples.length], [true, 20, 3])
})

test('failures are kept, with the command that tries them again; tried again they are done in order', async (t) => {
  const { run, kept, refuse, runs, cwd } = await place(t)
  refuse('o-5')
  const first = await run(['--from', 'history', '--to', './keep.ts'])
  assert.equal(first.code, 1)
  const [id] = runs()
  assert.match(first.stdout, new RegExp(`backstory replay --retry ${id}`))
  // o-9, o-13 and o-17 are of the subject of o-5, and wait for it.
  assert.equal(kept().length, 16)
  assert.equal(linesOf(join(cwd, `.backstory/replays/${id}/failures-1.jsonl`)).length, 4)
  const again = await run(['--retry', 'last'])
  assert.deepEqual([again.code, runs().length], [1, 1])
  refuse()
  const last = await run(['--retry', id!])
  assert.equal(last.code, 0, last.stderr)
  assert.deepEqual(kept().slice(16), ['o-5', 'o-9', 'o-13', 'o-17'])
  assert.deepEqual(runs(), [])
})

test('too many failures end it with 6, and a higher bound goes on', async (t) => {
  const { run, refuse, runs, kept } = await place(t, { events: 3_000 })
  refuse(...Array.from({ length: 10 }, (_, n) => `o-${n + 1}`))
  const args = ['--from', 'history', '--to', './keep.ts', '--max-errors', '3']
  const ended = await run(args)
  assert.equal(ended.code, 6)
  assert.match(ended.stdout, /--resume \S+ --max-errors N/)
  const done = await run(['--resume', 'last', '--max-errors', '100%'])
  assert.equal(done.code, 1)
  assert.deepEqual([kept().length, runs().length], [0, 1])
})

test('told to end it finishes what is in hand, and goes on from there', async (t) => {
  const { cwd, kept, run, runs } = await place(t, { events: 40 })
  const running = startCli(['replay', '--from', 'history', '--to', './keep.ts', '--rate', '20'], { cwd })
  while (kept().length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  running.signal('SIGINT')
  const { code, stdout } = await running.done
  assert.equal(code, 130)
  assert.match(stdout, /backstory replay --resume/)
  assert.ok(kept().length < 40)
  assert.equal((await run(['--resume', 'last'])).code, 0)
  assert.deepEqual([...new Set(kept())].length, 40)
  assert.deepEqual(runs(), [])
})

test('what is not on this machine wants --yes where nobody is there to ask', async (t) => {
  const { run, kept } = await place(t)
  const args = ['--from', 'history', '--to', './keep.ts', '--to-option', 'remote=yes']
  const refused = await run(args)
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /say --yes/)
  assert.deepEqual(kept(), [])
  assert.equal((await run([...args, '--yes'])).code, 0)
})

test('so does a queue that is to be emptied elsewhere; one that is looked at does not', async (t) => {
  const { cwd, run } = await place(t)
  const taking = `
export const source = {
  address: './queue.ts', summary: 'A queue', options: {},
  create: ({ options: { take, local } }) => ({
    name: 'queue orders', takes: take === 'true', isLocal: local === 'true',
    open: async () => ({}),
    async *read() {},
    async close() {},
  }),
}`
  writeFileSync(join(cwd, 'queue.ts'), taking)
  for (const [options, code, more] of [
    [['take=true'], 2],
    [['take=true'], 0, '--yes'],
    [['take=true'], 0, '--dry-run'],
    [['take=true', 'local=true'], 0],
    [[], 0],
  ] as const) {
    const given = options.flatMap((option) => ['--from-option', option])
    const ran = await run(['--from', './queue.ts', ...given, '--to', './keep.ts', ...(more ? [more] : [])])
    assert.equal(ran.code, code, ran.stderr)
    if (code === 2) assert.match(ran.stderr, /taken out of queue orders, .* say --yes/)
  }
})

test('a queue is emptied on this machine where its broker is', async () => {
  for (const [broker, isLocal] of [
    ['amqp://u:p@[::1]:5672', true],
    ['amqp://broker.example', false],
  ] as const) {
    for (const place of [{ options: { broker } }, { brokers: async () => [broker] }]) {
      const { options = {}, ...context } = place as { options?: object }
      const target = pluginTarget('queue:orders', { options: { ...options, take: true }, ...context })
      const source = await queue.create(target)
      assert.deepEqual([source.takes, source.isLocal], [true, isLocal])
    }
  }
  assert.equal((await queue.create(pluginTarget('queue:orders'))).takes, false)
})

test('what cannot be is refused in one line that says what to do, with 2', async (t) => {
  const { cwd, run, runs } = await place(t)
  writeFileSync(join(cwd, 'plan.yaml'), 'from: history\nrules: [{ to: print, when: {} }]\n')
  const printed = ['--from', 'history', '--to', 'print']
  for (const [args, told] of [
    [[], /Give --from and --to/],
    [['--from', 'history'], /Give --from and --to/],
    [['--from', 'history', '--to', 'nowhere:x'], /No action is called nowhere:x/],
    [['--from', 'history', '--to', 'print', '--where', '{"type":"x"}'], /rules\.0\.where/],
    [['--from', 'history', '--to', 'print', '--where', '{'], /--where is no JSON/],
    [['--from', 'history', '--to', 'print', '--to-option', 'x=1'], /print has no option `x`/],
    [['--from', 'history', '--to', 'print', '--order', 'any'], /order/],
    [['--from', 'history', '--to', 'print', '--key', 'subject'], /a path begins with \$/],
    [['--from', 'history', '--to', 'print', '--report', 'x.txt'], /ends in \.json/],
    [['--plan', 'plan.yaml'], /plan\.yaml: rules\.0 has no member `when`/],
    [['--plan', 'plan.yaml', '--from', 'history'], /leave out --from/],
    [['--from', 'history', '--to', ['postgres://$', '{NOT_SET}/db'].join('')], /NOT_SET/],
    [['--resume', 'last'], /has no run last/],
    [['--from', 'postgresql://u:a/b@h/db', '--to', 'print'], /from: Expected a URL .* escape/],
    [[...printed, '--to-option', 'a.b=1', '--to-option', 'a.b=2'], /--to-option a\.b is given twice/],
    [[...printed, '--to-option', 'a=1', '--to-option', 'a.b=2'], /--to-option a\.b is given twice/],
    [[...printed, '--from-option', 'types=a', '--from-option', 'types=b'], /types='\["a","b"\]'/],
  ] as const) {
    const { code, stderr } = await run([...args])
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, told)
  }
  assert.deepEqual(runs(), [])
})

test('--list tells every source and action with its options', async (t) => {
  const { code, stdout } = await runCli(['replay', '--list'], { cwd: tempFolder(t) })
  assert.equal(code, 0)
  for (const told of ['print', 'history,', 'sqlite:', 'lambda:FUNCTION', 'columns'])
    assert.ok(stdout.includes(told), told)
})

test('a plan of every member is a plan by its schema', () => {
  assert.deepEqual(Object.keys(planSchema.properties).sort(), [
    '$schema',
    'concurrency',
    'from',
    'key',
    'maxErrors',
    'order',
    'rate',
    'retries',
    'rules',
    'speed',
  ])
})

test('what is typed beside a plan counts, and a run that goes on keeps its order', async (t) => {
  const { cwd, run } = await place(t)
  writeFileSync(
    join(cwd, 'plan.yaml'),
    'from: history\nretries: { refused: 1 }\nrules: [{ to: ./keep.ts }]\n',
  )
  const { stdout } = await run([
    '--plan',
    'plan.yaml',
    '--order',
    'key',
    '--retries',
    '0',
    '--json',
    '--dry-run',
  ])
  assert.equal(JSON.parse(stdout).order, 'key')
  const { code, stderr } = await run(['--resume', 'last', '--order', 'none'])
  assert.equal(code, 2)
  assert.match(stderr, /leave --order and --key out/)
})

test('a retry whose plan names its rule otherwise is refused, and the failures stay', async (t) => {
  const { cwd, run, refuse, runs } = await place(t)
  refuse('o-5')
  await run(['--from', 'history', '--to', './keep.ts'])
  writeFileSync(join(cwd, 'plan.yaml'), 'from: history\nrules: [{ name: other, to: ./keep.ts }]\n')
  const { code, stderr } = await run(['--retry', 'last', '--plan', 'plan.yaml'])
  assert.equal(code, 2)
  assert.match(stderr, /has failed under the rule rule 1/)
  refuse()
  writeFileSync(join(cwd, 'plan.yaml'), 'from: history\nrules: [{ name: rule 1, to: ./keep.ts }]\n')
  assert.equal((await run(['--retry', 'last', '--plan', 'plan.yaml'])).code, 0)
  assert.deepEqual(runs(), [])
})

test('a place that cannot be written is refused before anything is done', async (t) => {
  const { cwd, run, kept } = await place(t)
  for (const [args, told] of [
    [['--report', 'nowhere/r.json'], /--report nowhere\/r\.json cannot be written/],
    [['--runs', 'keep.ts/runs'], /plan\.json cannot be written: .* name a folder for runs with --runs/],
  ] as const) {
    const { code, stderr } = await run(['--from', 'history', '--to', './keep.ts', ...args])
    assert.equal(code, 2, stderr)
    assert.match(stderr, told)
  }
  assert.deepEqual(kept(), [])
  assert.ok(existsSync(cwd))
})

test('a run that cannot begin says nothing of going on; its reports have the error and the exit code', async (t) => {
  const cwd = tempFolder(t)
  const args = ['replay', '--from', 'history', '--to', 'print', '--report', 'r.json', '--report', 'r.xml']
  const { code, stderr } = await runCli(args, { cwd })
  assert.equal(code, 4)
  assert.match(stderr, /^HISTORY_NOT_FOUND: [^\n]*\n$/)
  const { ended, error, exitCode, read } = JSON.parse(readFileSync(join(cwd, 'r.json'), 'utf8'))
  assert.deepEqual([ended, error.code, exitCode, read], ['error', 'HISTORY_NOT_FOUND', 4, 0])
  assert.match(
    readFileSync(join(cwd, 'r.xml'), 'utf8'),
    /<error message="[^"]* does not exist.* type="HISTORY_NOT_FOUND"/,
  )
})

test('a run that breaks reports what it had done', async (t) => {
  const { cwd, run } = await place(t)
  const breaking = keeper.replace(
    'if (bad.includes(id))',
    "if (id === 'o-15') throw new Error('broken'); if (bad.includes(id))",
  )
  writeFileSync(join(cwd, 'keep.ts'), breaking)
  const { code, stderr } = await run([
    '--from',
    'history',
    '--to',
    './keep.ts',
    '--report',
    'r.json',
    '--rate',
    '1000',
  ])
  assert.equal(code, 70)
  assert.match(stderr, /^Run \S+ Where it is killed: /)
  const { ended, error, exitCode, rules } = JSON.parse(readFileSync(join(cwd, 'r.json'), 'utf8'))
  assert.deepEqual([ended, error, exitCode], ['error', { message: 'broken' }, 70])
  assert.ok(rules[0].acted >= 10)
})

test('a retry can be looked at before it is done', async (t) => {
  const { run, refuse, runs } = await place(t)
  refuse('o-5')
  await run(['--from', 'history', '--to', './keep.ts'])
  const { code, stdout } = await run(['--retry', 'last', '--dry-run', '--json'])
  assert.equal(code, 0)
  assert.deepEqual([JSON.parse(stdout).picked, runs().length], [4, 1])
})

test('what a mended plan picks no more stays a failure as it was, until a later retry picks it', async (t) => {
  const { cwd, run, kept, refuse, runs } = await place(t)
  refuse('o-18', 'o-19')
  assert.equal((await run(['--from', 'history', '--to', './keep.ts'])).code, 1)
  const [id] = runs()
  const failures = (pass: number) => linesOf(join(cwd, `.backstory/replays/${id}/failures-${pass}.jsonl`))
  const [paid, placed] = failures(1)
  const rule = { name: 'rule 1', to: './keep.ts' }
  const narrow = { from: 'history', rules: [{ ...rule, where: { type: ['order.paid'] } }] }
  writeFileSync(join(cwd, 'narrow.json'), JSON.stringify(narrow))
  writeFileSync(join(cwd, 'whole.json'), JSON.stringify({ from: 'history', rules: [rule] }))
  assert.equal((await run(['--retry', 'last', '--plan', 'narrow.json'])).code, 1)
  assert.deepEqual(failures(2), [paid, placed])
  refuse()
  const { code, stdout } = await run(['--retry', 'last', '--plan', 'narrow.json', '--json'])
  const { picked, failed, causes } = JSON.parse(stdout)
  assert.deepEqual([code, picked, failed, causes[0].message], [1, 1, 1, 'id o-19 is bad'])
  assert.deepEqual(failures(3), [placed])
  assert.equal((await run(['--retry', 'last', '--plan', 'whole.json'])).code, 0)
  assert.deepEqual([kept().slice(-2), runs()], [['o-18', 'o-19'], []])
})

test('an event that one rule picks no more stays a failure of that rule', async (t) => {
  const { cwd, run, kept, refuse, runs } = await place(t, { events: 2 })
  const planOf = (where?: object) => {
    const rules = ['a', 'b'].map((name) => ({
      name,
      to: './keep.ts',
      ...(name === 'b' && where && { where }),
    }))
    writeFileSync(join(cwd, 'plan.json'), JSON.stringify({ from: 'history', rules }))
    return ['--plan', 'plan.json']
  }
  refuse('o-1', 'o-2')
  assert.equal((await run(planOf())).code, 1)
  const [id] = runs()
  refuse()
  const { code, stdout } = await run(['--retry', 'last', ...planOf({ type: ['order.paid'] }), '--json'])
  const { picked, failed } = JSON.parse(stdout)
  assert.deepEqual([code, picked, failed], [1, 2, 1])
  const [left, ...more] = linesOf(join(cwd, `.backstory/replays/${id}/failures-2.jsonl`))
  assert.deepEqual(
    JSON.parse(left!).backstoryfailure.causes.map(({ rule }: { rule: string }) => rule),
    ['b'],
  )
  assert.deepEqual([more, kept().sort()], [[], ['o-1', 'o-2', 'o-2']])
  assert.equal((await run(['--retry', 'last', ...planOf()])).code, 0)
  assert.deepEqual([kept().sort(), runs()], [['o-1', 'o-1', 'o-2', 'o-2'], []])
})

test('what is left as it failed holds the later events of its key, and only those', async (t) => {
  const { run, kept, refuse, cwd } = await place(t)
  refuse('o-5')
  await run(['--from', 'history', '--to', './keep.ts'])
  refuse()
  const retry = async (numeric: readonly unknown[]) => {
    const rules = [{ name: 'rule 1', to: './keep.ts', where: { data: { n: [{ numeric }] } } }]
    writeFileSync(join(cwd, 'plan.json'), JSON.stringify({ from: 'history', rules }))
    const before = kept().length
    const { code } = await run(['--retry', 'last', '--plan', 'plan.json'])
    return [code, kept().slice(before)]
  }
  assert.deepEqual(await retry(['>', 5]), [1, []])
  assert.deepEqual(await retry(['<', 10]), [1, ['o-5', 'o-9']])
  assert.deepEqual(await retry(['>', 0]), [0, ['o-13', 'o-17']])
})

test('a run that was killed before its first checkpoint is there until it could go on', async (t) => {
  const { cwd, run, kept, runs } = await place(t)
  const folder = join(cwd, '.backstory/replays/20261121-101500-3f9a')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'plan.json'), '{"from":"history","rules":[{"name":"rule 1","to":"./keep.ts"}]}')
  const history = join(cwd, 'backstory-history.db')
  renameSync(history, `${history}.away`)
  const { code, stderr } = await run(['--resume', 'last'])
  assert.equal(code, 4)
  assert.match(stderr, /To go on: backstory replay --resume 20261121-101500-3f9a/)
  renameSync(`${history}.away`, history)
  assert.equal((await run(['--resume', 'last'])).code, 0)
  assert.deepEqual([kept().length, runs()], [20, []])
})

test('a full disk ends a run with what to do, and with room it goes on', { skip: noSmallDisk }, async (t) => {
  const { cwd, run, kept, refuse } = await place(t)
  const disk = smallDisk(t, { mebibytes: 4 })
  const runs = ['--runs', join(disk.folder, 'runs')]
  refuse('o-5')
  // Full as soon as there is something to write down.
  const filling = `import { execFileSync } from 'node:child_process'\n${keeper}`.replace(
    'async act(ids) {',
    "async act(ids) { if (existsSync(join(context.cwd, 'full'))) try { execFileSync('dd', ['if=/dev/zero', 'of=' + options.disk + '/filling', 'bs=4096'], { stdio: 'ignore' }) } catch {}",
  )
  writeFileSync(join(cwd, 'keep.ts'), filling)
  writeFileSync(join(cwd, 'full'), '')
  const args = ['--from', 'history', '--to', './keep.ts', '--to-option', `disk=${disk.folder}`, ...runs]
  const { code, stderr } = await run(args)
  assert.equal(code, 6, stderr)
  assert.match(stderr, /REPLAY_RUN_UNWRITABLE: .* make room there/)
  unlinkSync(join(cwd, 'full'))
  disk.empty()
  const { code: last, stdout } = await run(['--resume', 'last', ...runs, '--json'])
  assert.deepEqual([last, JSON.parse(stdout).read, new Set(kept()).size], [1, 20, 16])
})
