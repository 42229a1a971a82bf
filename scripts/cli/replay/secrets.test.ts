/** That a password in an address is shown nowhere, whatever is wrong with what was typed. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { openPlan, type PlanAddress } from '../../../replay/index.ts'
import { pluginTarget } from '../../../replay/plugin-target.fixture.ts'
import { runCli, tempFolder } from '../run-cli.fixture.ts'

const secret = 'hunter2'

const schemes = [
  ...['postgres', 'POSTGRES', 'postgresql', 'mysql', 'mariadb', 'sqlserver', 'mssql', 'http', 'https'],
  ...['opensearch+http', 'elasticsearch+https', 'jdbc:mysql', 'amqp', 'nosql'],
]

/** The port 1 answers nobody. */
const part = `u:${secret}@127.0.0.1:1`
const addressesOf = (scheme: string): readonly string[] => [
  `${scheme}://${part}/db`,
  `${scheme}://${part}/db?password=${secret}`,
  `${scheme}://u:a/b${secret}@127.0.0.1:1/db`,
  `${scheme}://u:%zz${secret}@127.0.0.1:1/db`,
  `${scheme}:${part}/db`,
]

const mistakes: readonly Readonly<Record<string, string>>[] = [{}, { table: 'orders', timeoutMs: 'soon' }]

test('what refuses a plan does not repeat the passwords that its settings hold', async (t) => {
  const cwd = tempFolder(t)
  for (const address of schemes.flatMap(addressesOf)) {
    for (const options of mistakes) {
      for (const given of [address, address.replaceAll(secret, `\${SECRET}`), `\${ADDRESS}`]) {
        const what: PlanAddress = { address: given, ...options }
        for (const plan of [
          { from: what, rules: [{ to: 'print' }] },
          { from: 'none.jsonl', rules: [{ to: what }] },
        ]) {
          const settings: Record<string, string> = { SECRET: secret, ADDRESS: address }
          const { context } = pluginTarget('', { cwd, setting: (name) => settings[name] })
          const shown = await openPlan(plan, { context, load: async () => ({}) }).then(
            ({ source, rules }) => inspect([source.name, rules.map(({ action }) => action.name)]),
            (error: unknown) => inspect(error, { depth: 5 }),
          )
          assert.ok(!shown.includes(secret), shown.replaceAll(secret, '******'))
        }
      }
    }
  }
})

test('the command shows no password, in what it prints, logs and reports', async (t) => {
  const cwd = tempFolder(t)
  writeFileSync(join(cwd, 'a.jsonl'), '{"id":"1","type":"a"}\n')
  const asked = ['POSTGRES', 'sqlserver', 'https', 'nosql']
  for (const address of asked.flatMap((scheme) => addressesOf(scheme).slice(0, 2))) {
    const named = address.replaceAll(secret, `\${SECRET}`)
    await assertSecretive(cwd, { from: named, rules: [{ to: 'print' }] })
    await assertSecretive(cwd, { from: 'a.jsonl', rules: [{ to: named }] })
    await assertSecretive(cwd, { from: 'a.jsonl', rules: [{ to: { address: named, table: 'orders' } }] })
  }
})

async function assertSecretive(cwd: string, plan: Record<string, unknown>): Promise<void> {
  const retries = { throttled: 0, unavailable: 0, refused: 0 }
  writeFileSync(join(cwd, 'plan.json'), JSON.stringify({ ...plan, retries }))
  const files = ['report.json', 'report.xml'].map((name) => join(cwd, name))
  const args = [
    'replay',
    '--plan',
    'plan.json',
    '--yes',
    '--log-json',
    ...files.flatMap((file) => ['--report', file]),
  ]
  const { code, stdout, stderr } = await runCli(args, { cwd, env: { SECRET: secret } })
  const reports = files.map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : ''))
  const shown = [stdout, stderr, ...reports].join('\n')
  assert.notEqual(code, 0)
  assert.ok(!shown.includes(secret), shown.replaceAll(secret, '******'))
}
