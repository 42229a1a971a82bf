import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { filesIn } from '../replay/actions/files/files.fixture.ts'
import type { FilesReplayOptions, FilesReplayReport } from './fixtures/files-replay.program.ts'
import { startProgram } from './fixtures/program.ts'
import { until } from './fixtures/until.ts'

for (const ending of ['csv', 'parquet']) {
  test(`a replay to .${ending} files that is killed over and over leaves those of a run that was not`, async (t) => {
    const [whole, killed] = ['whole', 'killed'].map(() => mkdtempSync(join(tmpdir(), 'backstory-files-')))
    t.after(() => {
      for (const folder of [whole!, killed!]) rmSync(folder, { recursive: true, force: true })
    })
    for (const folder of [whole!, killed!]) mkdirSync(join(folder, 'out'))
    const options = {
      template: `{$.subject}/out.${ending}`,
      columns: { id: '$.id', subject: '$.subject' },
      eventsMax: 700,
      events: 20_000,
    }
    const run = (folder: string, batchesLeft?: number) =>
      startProgram<FilesReplayReport>(t, 'files-replay', {
        ...options,
        folder: join(folder, 'out'),
        ...(batchesLeft && { batchesLeft }),
      } satisfies FilesReplayOptions)
    await run(whole!).until('done', ({ isDone }) => isDone)
    // In the first round, behind a checkpoint, and in the midst of later ones.
    for (const batches of [2, 6, 5]) {
      const program = run(killed!, batches)
      await until('it has killed itself', () => program.hasEnded)
      assert.equal(program.report, undefined)
    }
    await run(killed!).until('done', ({ isDone }) => isDone)
    const [expected, found] = [whole, killed].map((folder) => filesIn(join(folder!, 'out')))
    assert.deepEqual(Object.keys(found!), Object.keys(expected!))
    assert.equal(Object.keys(found!).length, 5 * 6)
    for (const [path, data] of Object.entries(expected!)) assert.ok(data.equals(found![path]!), path)
  })
}
