import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const file = fileURLToPath(new URL('./fixtures/broken-plugins.program.ts', import.meta.url))

test('the suites pass what is right, and tell of each broken promise by its name', async () => {
  const lines = await failuresOf(file)
  assert.deepEqual(lines, {
    'source 2': ['goes on behind any of its tokens, in another process too'],
    'source 3': ['says how many events there are, where it says so, and shows no secret'],
    'source 4': [
      'the next page is not read before it is asked for',
      'the signal ends the reading, without an error',
    ],
    'source 5': ['the signal ends the reading, without an error'],
    'source 6': ['says how many events there are, where it says so, and shows no secret'],
    'action 2': [
      'what it would do is worked out before it is opened, and touches nothing',
      'a run that is killed and goes on ends as one that was not, where it is idempotent',
    ],
    'action 3': ['what it would do for an event depends on that event alone'],
    'action 4': ['what it tells of itself and of its writes is JSON, and shows no secret'],
    'action 5': ['acts on each event, and tells an outcome for each'],
    'action 6': ['a run that is killed and goes on ends as one that was not, where it is idempotent'],
    'action 7': ['an event that is refused fails alone, as its own fault'],
  })
})

/** Titles by suite. */
async function failuresOf(path: string): Promise<Record<string, string[]>> {
  // A child would report to this test's own runner.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const stdout = await new Promise<string>((resolve) => {
    const args = ['--import', 'tsx', '--test', '--test-reporter', 'tap', path]
    execFile(process.execPath, args, { env, maxBuffer: 16e6, timeout: 60_000 }, (_error, output) =>
      resolve(output),
    )
  })
  const failures: Record<string, string[]> = {}
  let titles: string[] = []
  for (const line of stdout.split('\n')) {
    const [, inner] = /^ {4}not ok \d+ - (.*)$/.exec(line) ?? []
    const [, result, outer] = /^(not ok|ok) \d+ - (.*)$/.exec(line) ?? []
    if (inner !== undefined) titles.push(inner)
    if (outer === undefined) continue
    if (result === 'not ok') failures[outer] = titles
    titles = []
  }
  return failures
}
