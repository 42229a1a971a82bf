import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { OpenSearchStub } from '../../../replay/opensearch/opensearch-stub.fixture.ts'
import { runCli, tempFolder } from '../run-cli.fixture.ts'

const page = (name: string) =>
  readFileSync(new URL(`../../../docs/replay/${name}.md`, import.meta.url), 'utf8')

const orders = ['order.placed', 'order.changed', 'order.placed', 'order.cancelled'].map((type, at) => ({
  position: at + 1,
  id: String(at + 1),
  source: '/shop',
  type,
  subject: ['EC-1', 'EC-1', 'EC-2', 'EC-2'][at],
  data: { customer: `c${at}`, total: at + 0.5 },
}))

test('the commands of docs/replay/files.md write their files', async (t) => {
  const cwd = folderOfOrders(t)
  for (const typed of commandsOf(page('files'))) {
    const { code, stderr } = await runCli(typed, { cwd })
    assert.equal(code, 0, stderr)
  }
  const read = (path: string) => readFileSync(join(cwd, path), 'utf8')
  assert.equal(read('out/order.placed/EC-2.jsonl'), `${JSON.stringify(orders[2])}\n`)
  assert.equal(read('orders-00001.csv').split('\r\n').length, 6)
})

test('the plan and the command of docs/replay/opensearch.md do what the page says', async (t) => {
  const cwd = folderOfOrders(t)
  const stub = await OpenSearchStub.start(t)
  const here = (text: string) => text.replaceAll('http://127.0.0.1:9200', stub.url)
  const [, plan] = /```yaml\n([\s\S]*?)```/.exec(page('opensearch'))!
  writeFileSync(join(cwd, 'plan.yaml'), here(plan!).replace('from: history', 'from: orders.jsonl'))
  const written = await runCli(['replay', '--plan', 'plan.yaml'], { cwd })
  assert.equal(written.code, 0, written.stderr)
  assert.deepEqual(stub.documents('orders'), { 'EC-1': { customer: 'c1', total: 1.5 } })
  stub.indices.set('orders', new Map([['a', { text: '{"time":1,"id":"a"}', version: 1 }]]))
  const [typed] = commandsOf(here(page('opensearch')))
  const { code, stdout, stderr } = await runCli(typed!, { cwd })
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^\{"time":1,"id":"a"\}$/m)
  assert.deepEqual(stub.violations, [])
})

function commandsOf(text: string): string[][] {
  const [, block] = /```sh\n([\s\S]*?)```/.exec(text)!
  return block!
    .trim()
    .split('\n')
    .map((line) =>
      line
        .match(/'[^']*'|\S+/g)!
        .slice(1)
        .map((word) => word.replace(/^'|'$/g, '')),
    )
}

function folderOfOrders(t: TestContext): string {
  const cwd = tempFolder(t)
  writeFileSync(join(cwd, 'orders.jsonl'), orders.map((order) => `${JSON.stringify(order)}\n`).join(''))
  return cwd
}
