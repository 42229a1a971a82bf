import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { composeAnswers, composeDown, composeUp, composeUrl } from './compose.ts'

const skip = process.platform === 'win32'
const usualPath = process.env.PATH

test('an engine that does not answer, or has no Compose, is none', { skip }, async (t) => {
  await dockerThat(t, 'exit 1')
  assert.equal(await composeAnswers(), false)
  await dockerThat(t, '[ "$1" = version ]')
  assert.equal(await composeAnswers(), false)
  await dockerThat(t, 'exit 0')
  assert.ok(await composeAnswers())
})

test('the URL is at the port that Compose tells, and there is none while the broker is down', {
  skip,
}, async (t) => {
  await dockerThat(t, 'echo 127.0.0.1:5999')
  assert.equal(await composeUrl('backstory'), 'amqp://guest:guest@127.0.0.1:5999')
  await dockerThat(t, 'echo 127.0.0.1:0')
  assert.equal(await composeUrl('backstory'), undefined)
  await dockerThat(t, 'echo "service rabbitmq is not running" >&2; exit 1')
  assert.equal(await composeUrl('backstory'), undefined)
})

test('a start that fails is an error with what Compose said', { skip }, async (t) => {
  await dockerThat(t, 'echo "no space left" >&2; exit 1')
  const said: string[] = []
  await assert.rejects(composeUp('backstory', { say: (line) => said.push(line) }), {
    code: 'SERVICE_START_FAILED',
    message: /no space left/,
  })
  assert.deepEqual(said, ['  no space left'])
})

test('data is removed with its broker only where that is asked', { skip }, async (t) => {
  const calls = await dockerThat(t, 'exit 0')
  await composeDown('backstory')
  await composeDown('backstory-1', { removeData: true })
  const [kept, removed] = (await readFile(calls, 'utf8')).trim().split('\n')
  assert.match(kept!, /docker-compose\.yml --project-name backstory down$/)
  assert.match(removed!, /--project-name backstory-1 down --volumes$/)
})

/** Puts a `docker` on the PATH for the test; returns the file in which it writes down its arguments. */
async function dockerThat(t: TestContext, script: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'backstory-docker-'))
  const calls = join(folder, 'calls')
  await writeFile(join(folder, 'docker'), `#!/bin/sh\necho "$*" >> '${calls}'\n${script}\n`, { mode: 0o755 })
  process.env.PATH = [folder, usualPath].join(delimiter)
  t.after(async () => {
    process.env.PATH = usualPath
    await rm(folder, { recursive: true })
  })
  return calls
}
