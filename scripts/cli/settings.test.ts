import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import { defineConfig } from './config.ts'
import { exitCodeOf } from './errors.ts'
import { tempFolder } from './run-cli.fixture.ts'
import { brokerSetting, historySetting, managementSetting } from './settings.ts'

const env = { BACKSTORY_BROKER: 'amqp://environment', BACKSTORY_HISTORY: 'environment.db' }
const configuration = defineConfig({ broker: 'amqp://configuration', history: 'configuration.db' })

function folderWith(t: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = tempFolder(t)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

test('options go before the environment, that before the configuration, that before the default', async (t) => {
  const cwd = folderWith(t, { 'backstory.config.json': JSON.stringify(configuration) })
  const history = (name: string) => join(cwd, name)
  assert.deepEqual(await brokerSetting('amqp://option', { cwd, env }), {
    value: ['amqp://option'],
    origin: 'option',
  })
  assert.deepEqual(await brokerSetting(undefined, { cwd, env }), {
    value: ['amqp://environment'],
    origin: 'environment',
  })
  assert.deepEqual(await brokerSetting(undefined, { cwd, env: {} }), {
    value: ['amqp://configuration'],
    origin: 'configuration',
  })
  assert.deepEqual(await historySetting('option.db', { cwd, env }), {
    value: history('option.db'),
    origin: 'option',
  })
  assert.deepEqual(await historySetting(undefined, { cwd, env }), {
    value: history('environment.db'),
    origin: 'environment',
  })
  assert.deepEqual(await historySetting(undefined, { cwd, env: { BACKSTORY_HISTORY: '' } }), {
    value: history('configuration.db'),
    origin: 'configuration',
  })
  const empty = tempFolder(t)
  assert.deepEqual(await brokerSetting(undefined, { cwd: empty, env: {} }), {
    value: ['amqp://127.0.0.1:5672'],
    origin: 'default',
  })
  assert.deepEqual(await historySetting(undefined, { cwd: empty, env: {} }), {
    value: join(empty, 'backstory-history.db'),
    origin: 'default',
  })
})

for (const [name, text] of [
  ['backstory.config.ts', 'const broker: string = "amqp://a"\nexport default { broker, history: "h.db" }'],
  ['backstory.config.mjs', 'export default { broker: "amqp://a", history: "h.db" }'],
  ['backstory.config.json', '{ "broker": "amqp://a", "history": "h.db" }'],
] as const) {
  test(`${name} is read`, async (t) => {
    const cwd = folderWith(t, { [name]: text })
    assert.deepEqual((await brokerSetting(undefined, { cwd, env: {} })).value, ['amqp://a'])
    assert.equal((await historySetting(undefined, { cwd, env: {} })).value, join(cwd, 'h.db'))
  })
}

for (const [what, text, message] of [
  ['an unknown setting', '{ "histroy": "h.db" }', /unknown setting histroy \(did you mean history\?\)/],
  ['a history that is no path', '{ "history": 5 }', /`history` that is no path/],
  ['a broker that is no URL', '{ "broker": [] }', /`broker` that is no URL/],
  ['no object', '[]', /exports no object/],
  ['no JSON', '{', /is no JSON/],
] as const) {
  test(`a configuration with ${what} is refused`, async (t) => {
    const cwd = folderWith(t, { 'backstory.config.json': text })
    await assert.rejects(historySetting(undefined, { cwd, env: {} }), { code: 'CLI_CONFIG_INVALID', message })
  })
}

test('a broken configuration harms nobody who needs none', async (t) => {
  const cwd = folderWith(t, { 'backstory.config.ts': 'throw new Error("broken")' })
  assert.equal((await historySetting('h.db', { cwd, env })).origin, 'option')
  await assert.rejects(historySetting(undefined, { cwd, env: {} }), {
    code: 'CLI_MODULE_INVALID',
    message: /broken/,
  })
})

test('the nodes of a cluster are parted by commas, and a comma in a password parts nothing', async (t) => {
  const cwd = tempFolder(t)
  const { value } = await brokerSetting('amqp://u:a,b@one:5672, amqps://two', { cwd, env: {} })
  assert.deepEqual(value, ['amqp://u:a,b@one:5672', 'amqps://two'])
})

test('the broker that `up` started is the default', async (t) => {
  const cwd = tempFolder(t)
  mkdirSync(join(cwd, '.backstory'))
  writeFileSync(
    join(cwd, '.backstory', 'broker.json'),
    '{ "how": "installed", "url": "amqp://127.0.0.1:5999" }',
  )
  assert.deepEqual(await brokerSetting(undefined, { cwd, env: {} }), {
    value: ['amqp://127.0.0.1:5999'],
    origin: 'default',
  })
})

test('the management API is the one of the option, else of the environment, and never guessed', () => {
  const env = { BACKSTORY_MANAGEMENT: 'http://from-environment' }
  assert.equal(managementSetting('http://from-option', { env }), 'http://from-option')
  assert.equal(managementSetting(undefined, { env }), 'http://from-environment')
  assert.equal(managementSetting(undefined, { env: { BACKSTORY_BROKER: 'amqp://host' } }), undefined)
})

test('a history whose URL is none is refused without the password in it', async () => {
  for (const [history, shown] of [
    ['postgresql://u:hunter/2@h/db', /history postgresql:\/\/… cannot/],
    ['https://u:hunter/2@h/exchanges/a', /history https:\/\/… cannot/],
  ] as const) {
    for (const source of [
      { option: history, env: {} },
      { option: undefined, env: { BACKSTORY_HISTORY: history } },
    ]) {
      await assert.rejects(historySetting(source.option, { cwd: '/', env: source.env }), (error: Error) => {
        assert.match(error.message, shown)
        assert.doesNotMatch(inspect(error), /hunter/)
        return exitCodeOf(error) === 2
      })
    }
  }
})
