import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Importers, loadModule } from './load-module.ts'
import { tempFolder } from './run-cli.fixture.ts'

/** As Node 20 is without tsx, where tsx is not installed. */
const bare: Importers = {
  native: () =>
    Promise.reject(Object.assign(new Error('Unknown file'), { code: 'ERR_UNKNOWN_FILE_EXTENSION' })),
  tsx: () => Promise.reject(new Error("Cannot find package 'tsx'")),
}

function fileOf(t: TestContext, name: string, text = 'export default 1'): string {
  const path = join(tempFolder(t), name)
  writeFileSync(path, text)
  return path
}

test('TypeScript without tsx is an error that names the command which installs it', async (t) => {
  await assert.rejects(loadModule(fileOf(t, 'a.ts'), bare), {
    code: 'CLI_TYPESCRIPT_LOADER_MISSING',
    message: /npm install --save-dev tsx/,
  })
})

test('tsx is asked for TypeScript that Node does not understand, and for nothing else', async (t) => {
  const asked: string[] = []
  const importers: Importers = {
    ...bare,
    async tsx(path) {
      asked.push(path)
      return { tsImport: async () => ({ default: 2 }) }
    },
  }
  const path = fileOf(t, 'a.mts')
  assert.deepEqual(await loadModule(path, importers), { default: 2 })
  await assert.rejects(loadModule(fileOf(t, 'a.js'), importers), { code: 'CLI_MODULE_INVALID' })
  const throwing = { ...importers, native: () => Promise.reject(new Error('its own')) }
  await assert.rejects(loadModule(path, throwing), { code: 'CLI_MODULE_INVALID', message: /its own/ })
  assert.deepEqual(asked, [path])
})

test('TypeScript that became CommonJS has its exports where they belong', async (t) => {
  const compiled = { default: Object.defineProperty({ default: 3, other: 4 }, '__esModule', { value: true }) }
  const module = await loadModule(fileOf(t, 'a.cts'), { ...bare, native: async () => compiled })
  assert.equal(module.default, 3)
  assert.equal(module.other, 4)
})

test('a module that is not there, and one that throws, are told in one line', async (t) => {
  await assert.rejects(loadModule('/nowhere/a.ts'), { code: 'CLI_MODULE_INVALID', message: /does not exist/ })
  const path = fileOf(t, 'a.mjs', 'throw new Error("one\\ntwo")')
  await assert.rejects(loadModule(path), {
    code: 'CLI_MODULE_INVALID',
    message: `${path} does not load: one`,
  })
})
