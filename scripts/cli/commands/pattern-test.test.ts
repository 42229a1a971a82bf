import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { runCli, tempFolder } from '../run-cli.fixture.ts'

const pattern = '{"source":["shop"],"detail":{"price":[{"numeric":[">",100]}]}}'
const dear = '{"source":"shop","detail":{"price":250}}'
const cheap = '{"source":"shop","detail":{"price":25}}'

function setUp(t: TestContext) {
  const cwd = tempFolder(t)
  const file = (name: string, text: string) => {
    writeFileSync(join(cwd, name), text)
    return name
  }
  const run = (args: readonly string[], stdin?: string) =>
    runCli(['pattern', 'test', ...args], { cwd, stdin })
  return { file, run }
}

test('the exit code says whether an event matches: 0, 1, or 2 where pattern or event is none', async (t) => {
  const { run } = setUp(t)
  const codeOf = async (given: string, event: string) =>
    (await run(['--pattern', given, '--event', event])).code
  assert.equal(await codeOf(pattern, dear), 0)
  assert.equal(await codeOf(pattern, cheap), 1)
  assert.equal(await codeOf('{"source":"shop"}', dear), 2)
  assert.equal(await codeOf('{"source":', dear), 2)
  assert.equal(await codeOf(pattern, '{"source":'), 2)
  assert.equal(await codeOf(pattern, '[]'), 2)
  const deep = `{"source":${'['.repeat(2_000)}${']'.repeat(2_000)}}`
  assert.equal(await codeOf('{"source":["shop"]}', deep), 2)
})

test('an invalid pattern is refused with the path to the mistake', async (t) => {
  const { run } = setUp(t)
  const { stderr } = await run(['--pattern', '{"detail":{"price":[{"numeric":[">"]}]}}', '--event', dear])
  assert.match(stderr, /^PATTERN_INVALID: detail\.price\[0\]\.numeric\[1\]: must be a number$/m)
})

test('pattern and event may be files, the event on several lines or on standard input', async (t) => {
  const { file, run } = setUp(t)
  const args = ['--pattern', file('pattern.json', `${pattern}\n`)]
  const pretty = JSON.stringify(JSON.parse(dear), undefined, 2)
  const { code, stdout } = await run([...args, '--event', file('event.json', pretty)])
  assert.deepEqual([code, stdout], [0, 'match\n'])
  assert.equal((await run([...args, '--event', '-'], pretty)).stdout, 'match\n')
  assert.equal((await run([...args, '--event', 'none.json'])).code, 2)
  assert.match((await run([...args, '--event', 'none.json'])).stderr, /CLI_FILE_UNREADABLE: none\.json/)
  assert.match((await run([...args, '--event', '-'], '\n')).stderr, /Standard input has no event/)
})

test('a JSON body in base64 is data to a pattern, on every line', async (t) => {
  const { file, run } = setUp(t)
  const body = Buffer.from('{\n  "n": 1\n}').toString('base64')
  const event = { specversion: '1.0', datacontenttype: 'application/json', data_base64: body }
  const events = file('events.jsonl', `${JSON.stringify(event)}\n`.repeat(2))
  const { stdout } = await run(['--pattern', '{"data":{"n":[1]}}', '--event', events])
  assert.equal(stdout, 'line 1: match\nline 2: match\n')
})

test('of several events each is told, and one that matches is enough for 0', async (t) => {
  const { file, run } = setUp(t)
  const events = file('events.jsonl', `${cheap}\n\n${dear}\n`)
  const some = await run(['--pattern', pattern, '--event', events])
  assert.deepEqual([some.code, some.stdout], [0, 'line 1: no match\nline 3: match\n'])
  assert.match(some.stderr, /1 of 2 match/)
  const none = await run(['--pattern', pattern, '--event', '-'], `${cheap}\n${cheap}\n`)
  assert.deepEqual([none.code, none.stdout], [1, 'line 1: no match\nline 2: no match\n'])
  const bad = await run(['--pattern', pattern, '--event', '-'], `${dear}\nnull\n`)
  assert.equal(bad.code, 2)
  assert.match(bad.stderr, /line 2 must be an event/)
})

test('an explanation names each field, what was expected and what the event has', async (t) => {
  const { run } = setUp(t)
  const { stdout } = await run(['--pattern', pattern, '--event', cheap, '--explain'])
  assert.deepEqual(stdout.split('\n'), [
    'no match',
    '  no   detail.price: expected numeric > 100; the event has 25',
    '  yes  source: "shop" is in the list',
    '',
  ])
  const or = '{"$or":[{"a":["x"]},{"b":[{"exists":false}]}]}'
  const combined = await run(['--pattern', or, '--event', '{"a":"y","b":{"c":1,"d":"\\u001b"}}', '--explain'])
  assert.deepEqual(combined.stdout.split('\n'), ['match', '  yes  b: the event has an object', ''])
  const failed = await run(['--pattern', or, '--event', '{"a":"\\u001b","b":1}', '--explain'])
  assert.deepEqual(failed.stdout.split('\n'), [
    'no match',
    '  combination 1 of $or:',
    '    no   a: expected "x"; the event has "\\u001b"',
    '  combination 2 of $or:',
    '    no   b: expected no value; the event has 1',
    '',
  ])
})

test('fields that match in different elements of an array alone are told so', async (t) => {
  const { run } = setUp(t)
  const given = ['--pattern', '{"i":{"a":[1],"b":[2]}}', '--event', '{"i":[{"a":1},{"b":2}]}']
  const { stdout } = await run([...given, '--explain'])
  assert.match(stdout, /no {3}each field matches, but in different elements of one array/)
})

test('--json is a line for each event', async (t) => {
  const { run } = setUp(t)
  const single = await run(['--pattern', pattern, '--event', dear, '--json'])
  assert.deepEqual(JSON.parse(single.stdout), { matched: true })
  const { stdout } = await run(
    ['--pattern', pattern, '--event', '-', '--json', '--explain'],
    `${cheap}\n${dear}\n`,
  )
  const [first, second] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(first, {
    line: 1,
    matched: false,
    findings: [
      {
        path: 'detail.price',
        matched: false,
        reason: 'expected numeric > 100; the event has 25',
        alternative: 1,
      },
      { path: 'source', matched: true, reason: '"shop" is in the list', alternative: 1 },
    ],
  })
  assert.equal(second!.matched, true)
})
