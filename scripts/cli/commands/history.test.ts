import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  attributesOf,
  decodeProperties,
  type Message,
  type Properties,
  toMessage,
} from '../../../events/index.ts'
import { type HistoryWriter, openHistoryWriter } from '../../../history/index.ts'
import { type Running, runCli, startCli, tempFolder } from '../run-cli.fixture.ts'

const exchange = 'orders'

/** A folder with a history of these messages where commands look for it. */
async function historyOf(t: TestContext, messages: readonly Message[]) {
  const cwd = tempFolder(t)
  const writer = await openHistoryWriter({ history: join(cwd, 'backstory-history.db'), exchange })
  t.after(() => writer.close())
  await append(writer, messages)
  return { cwd, writer, run: (line: string) => runCli(line.split(' '), { cwd }) }
}

async function append(writer: HistoryWriter, messages: readonly Message[]): Promise<void> {
  await writer.append({
    events: messages.map((message) => ({ ...attributesOf(message), message })),
    fences: [],
  })
}

function order(n: number, { type = 'order.placed', subject = `EC-${n}` } = {}): Message {
  return toMessage({ type, subject, id: `o-${n}`, data: { n } }, { exchange, source: '/sales' })
}

const orders = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => order(from + index))

/** The numbers of the orders in JSON lines. */
function numbersOf(stdout: string): number[] {
  const lines = stdout.split('\n').filter((line) => line !== '')
  return lines.map((line) => (JSON.parse(line) as { data: { n: number } }).data.n)
}

test('head shows how far the history goes', async (t) => {
  const { run } = await historyOf(t, orders(1, 3))
  const { code, stdout } = await run('history head --json')
  assert.equal(code, 0)
  const head = JSON.parse(stdout) as Record<string, unknown>
  assert.match(String(head.checksum), /^[0-9a-f]{32}$/)
  assert.deepEqual(
    { ...head, checksum: undefined, first: undefined, last: undefined },
    { exchange, head: 3, count: 3, unidentified: 0, checksum: undefined, first: undefined, last: undefined },
  )
  assert.equal((head.first as { position: number }).position, 1)
  assert.equal((head.last as { position: number }).position, 3)
  assert.match((await run('history head')).stdout, /^head +3$/m)
})

test('an empty history has a head of 0 and neither first nor last', async (t) => {
  const { run } = await historyOf(t, [])
  const head = JSON.parse((await run('history head --json')).stdout) as Record<string, unknown>
  assert.equal(head.head, 0)
  assert.equal(head.first, undefined)
  assert.match((await run('history head')).stdout, /^last +-$/m)
  assert.equal((await run('history list')).stdout, '')
})

test('list gives the events in their order, from where it was told and as many', async (t) => {
  const { run } = await historyOf(t, orders(1, 1_200))
  const numbers = async (line: string) => numbersOf((await run(`history list --json ${line}`)).stdout)
  assert.deepEqual(await numbers('--limit 3'), [1, 2, 3])
  assert.deepEqual(await numbers('--after 1198'), [1_199, 1_200])
  assert.deepEqual(await numbers('--last 2'), [1_199, 1_200])
  assert.deepEqual(await numbers('--after 1199 --last 5'), [1_200])
  assert.equal((await numbers('--limit 0')).length, 1_200)
  assert.deepEqual(await numbers('--last 1300'), await numbers('--limit 0'))
  assert.deepEqual(await numbers('--subject EC-900'), [900])
  assert.deepEqual(await numbers('--subject EC-3 --last 9'), [3])
  assert.deepEqual(await numbers('--type order.cancelled'), [])
})

test('list says where it stopped when there is more', async (t) => {
  const { run } = await historyOf(t, orders(1, 150))
  const { stdout, stderr } = await run('history list')
  assert.equal(stdout.trim().split('\n').length, 101)
  assert.equal(stderr, 'More may follow: --after 100\n')
  assert.equal((await run('history list --after 50')).stderr, '')
})

test('the table has a line an event, and no control character of a publisher reaches the terminal', async (t) => {
  const { run } = await historyOf(t, [order(1), order(2, { subject: 'a\u001b[31m\nb' })])
  const lines = (await run('history list')).stdout.trimEnd().split('\n')
  assert.equal(lines.length, 3)
  assert.match(lines[0]!, /^position +time +type +subject +bytes +source +id$/)
  assert.match(lines[2]!, / a\\x1b\[31m\\nb /)
})

const foreign: readonly (readonly [what: string, properties: Properties, body: Buffer])[] = [
  ['an empty body', { contentType: 'application/json' }, Buffer.alloc(0)],
  [
    'a binary body',
    { contentType: 'image/png' },
    Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  ],
  ['5 MB', { contentType: 'application/octet-stream' }, Buffer.alloc(5_000_000, 'backstory\0')],
  ['no properties', {}, Buffer.from('text of no type')],
  ['a lie about its type', { contentType: 'application/json' }, Buffer.from('{"no')],
  [
    'headers of every type',
    {
      headers: {
        text: 'é',
        number: 1.5,
        notANumber: Number.NaN,
        yes: true,
        nothing: null,
        bytes: Buffer.from([0, 255]),
        list: [1, 'two', [Buffer.from('x')]],
        table: { $bytes: 'no tag', inner: { at: { '!': 'timestamp', value: 1 } } },
      },
      deliveryMode: 1,
      priority: 3,
      correlationId: 'c',
      replyTo: 'r',
      expiration: '60000',
      timestamp: 1_700_000_000,
    },
    Buffer.from('{"amount": 12345678901234567890}'),
  ],
]

for (const [what, properties, body] of foreign) {
  test(`show gives back exactly what was published: ${what}`, async (t) => {
    const { run } = await historyOf(t, [{ exchange: 'elsewhere', routingKey: 'key', properties, body }])
    const shown = JSON.parse((await run('history show 1 --json')).stdout) as Record<string, unknown>
    assert.equal(shown.exchange, 'elsewhere')
    assert.equal(shown.routingKey, 'key')
    assert.deepEqual(decodeProperties(JSON.stringify(shown.properties)), properties)
    assert.ok(Buffer.from(String(shown.data_base64), 'base64').equals(body))
    assert.ok((await run('history show 1 --body')).bytes.equals(body))
    const { code, stdout } = await run('history show 1')
    assert.equal(code, 0)
    assert.match(stdout, /^body: /m)
    for (const header of Object.keys(properties.headers ?? {}))
      assert.ok(stdout.includes(`  ${header} `), header)
  })
}

test('show for people has JSON a member a line with every digit, and bytes as a dump', async (t) => {
  const { run } = await historyOf(
    t,
    foreign.map(([, properties, body]) => ({ exchange, routingKey: '', properties, body })),
  )
  assert.match((await run('history show 6')).stdout, /\n {2}"amount": 12345678901234567890\n/)
  assert.match((await run('history show 6')).stdout, /\{"\$bytes":"AP8="\}/)
  const dump = (await run('history show 2')).stdout
  assert.match(dump, /^00000040 {2}40 41 42 .* \|@ABC/m)
  assert.match((await run('history show 3')).stdout, /4,998,976 bytes more/)
})

test('show finds an event by its identity, and says what there is where it finds none', async (t) => {
  const { run } = await historyOf(t, orders(1, 2))
  assert.match((await run('history show o-2 --source /sales')).stdout, /^position +2$/m)
  const missing = await run('history show 7')
  assert.equal(missing.code, 1)
  assert.equal(
    missing.stderr,
    'CLI_NOT_FOUND: There is no position 7: the history of orders has positions 1 to 2\n',
  )
  assert.equal((await run('history show o-2 --source /other')).code, 1)
})

test('tail begins with the newest, gives each further one once, and ends in good order', async (t) => {
  const { cwd, writer } = await historyOf(t, orders(1, 20))
  const tail = startCli('history tail --json -n 2'.split(' '), { cwd })
  await shows(tail, 2)
  for (let n = 21; n <= 1_300; n += 640) await append(writer, orders(n, Math.min(n + 639, 1_300)))
  await shows(tail, 1_282)
  tail.signal('SIGTERM')
  const { code, stdout } = await tail.done
  assert.equal(code, 0)
  assert.deepEqual(
    numbersOf(stdout),
    Array.from({ length: 1_282 }, (_, index) => 19 + index),
  )
})

test('tail --after misses nothing, and a filter passes over what it does not want', async (t) => {
  const { cwd, writer } = await historyOf(t, orders(1, 20))
  const tail = startCli('history tail --json --after 18 --type order.placed'.split(' '), { cwd })
  await shows(tail, 2)
  await append(writer, [order(21, { type: 'order.cancelled' }), order(22)])
  await shows(tail, 3)
  tail.signal('SIGINT')
  assert.deepEqual(numbersOf((await tail.done).stdout), [19, 20, 22])
  assert.equal(tail.exited, undefined)
})

for (const [what, text, code] of [
  ['no file', undefined, 'HISTORY_NOT_FOUND'],
  ['no SQLite file', 'x'.repeat(200), 'HISTORY_CORRUPT'],
] as const) {
  test(`${what}: exit code 4 and one line`, async (t) => {
    const cwd = tempFolder(t)
    if (text !== undefined) writeFileSync(join(cwd, 'h.db'), text)
    const { code: exitCode, stderr } = await runCli(['history', 'head', '--history', 'h.db'], { cwd })
    assert.equal(exitCode, 4)
    assert.match(stderr, new RegExp(`^${code}: .*h\\.db.*\n$`))
  })
}

test('a reader that goes away ends the command quietly', async (t) => {
  const { cwd } = await historyOf(t, orders(1, 5_000))
  const entry = fileURLToPath(new URL('../../backstory.ts', import.meta.url))
  const args = ['--import', import.meta.resolve('tsx'), entry, 'history', 'list', '--json', '--limit', '0']
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let stderr = ''
  child.stderr.on('data', (data) => {
    stderr += String(data)
  })
  await once(child.stdout, 'data')
  child.stdout.destroy()
  const [code] = (await once(child, 'close')) as [number | null]
  assert.equal(stderr, '')
  assert.equal(code, 0)
})

async function shows(tail: Running, lines: number): Promise<void> {
  const deadline = Date.now() + 30_000
  while (tail.stdout.split('\n').length - 1 < lines) {
    assert.ok(Date.now() < deadline, `${lines} lines; there are ${tail.stdout.split('\n').length - 1}`)
    await sleep(10)
  }
}
