/**
 * Files after a kill. The runs here end by an error in their midst, which leaves what a kill leaves;
 * `test/replay-files.test.ts` kills real processes.
 */
import assert from 'node:assert/strict'
import { appendFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parquetReadObjects } from 'hyparquet'
import { type Action, ActionFailure } from '../../action.ts'
import { listSource } from '../../replay.fixture.ts'
import { replay } from '../../replay.ts'
import { RunFolder } from '../../run/run-folder.ts'
import { type FileOptions, filesAction, filesIn, temporaryFolder, writeFiles } from './files.fixture.ts'

const events = Array.from({ length: 9_000 }, (_, at) => ({
  id: String(at),
  subject: `k${(at * 7) % 13}`,
  data: { n: at, text: 'x'.repeat(at % 40) },
}))
const columns = { id: '$.id', n: { path: '$.data.n', type: 'integer' }, text: '$.data.text' }

for (const [template, options] of [
  ['out.jsonl', {}],
  ['out/{$.subject}.csv', { columns, eventsMax: 200 }],
  ['out.jsonl', { bytesMax: 50_000 }],
  ['out/{$.subject}.jsonl.gz', { bytesMax: 20_000 }],
  ['out.csv.gz', { columns }],
  ['out.parquet', { columns }],
  ['{$.subject}/out.parquet', { columns, eventsMax: 300 }],
] as const) {
  test(`${template} ${JSON.stringify(options)}: broken off again and again, the files end as those of one run`, async (t) => {
    const [whole, broken] = [join(temporaryFolder(t), 'a'), join(temporaryFolder(t), 'a')]
    await writeFiles(whole, template, { events, options })
    await writeBrokenly(broken, template, options)
    const [expected, found] = [filesIn(whole), filesIn(broken)]
    assert.deepEqual(Object.keys(found), Object.keys(expected))
    for (const [path, data] of Object.entries(expected)) assert.ok(data.equals(found[path]!), path)
    assert.ok(Object.keys(found).every((path) => !/journal|packing|backstory/.test(path)))
  })
}

/** Breaks off after some events, once in each thousand, at other moments: in a batch, behind one, in a checkpoint. */
async function writeBrokenly(folder: string, template: string, options: FileOptions): Promise<void> {
  let isDone = false
  for (let round = 0; !isDone; round++) {
    const runFolder = await RunFolder.open(`${folder}-run`)
    // Rounds of a thousand events, so that it breaks off behind several checkpoints.
    const action = Object.assign(breaking(filesAction(folder, template, options), round), { batchMax: 250 })
    try {
      await replay({
        run: 'r1',
        source: listSource(events),
        rules: [{ name: 'r', action }],
        checkpoints: { folder: runFolder },
      })
      isDone = true
    } catch (error) {
      assert.match((error as Error).message, /broken off/)
    } finally {
      await runFolder.close()
    }
  }
}

function breaking(action: Action, round: number): Action {
  const { act, state } = action
  let acts = 0
  let states = 0
  action.act = async (...given) => {
    const outcomes = await act.apply(action, given)
    acts += 1
    if (round % 3 !== 2 && acts === 2 + (round % 5) && round < 12) throw new Error('broken off')
    return outcomes
  }
  action.state = async () => {
    const told = await state!.call(action)
    states += 1
    if (round % 3 === 2 && states === 1 + (round % 2) && round < 12) throw new Error('broken off')
    return told
  }
  return action
}

for (const template of ['out.jsonl', 'out.parquet']) {
  test(`${template}: what a killed run has written behind its checkpoint, torn or not, is cut off`, async (t) => {
    const [whole, torn] = [join(temporaryFolder(t), 'a'), join(temporaryFolder(t), 'a')]
    await writeFiles(whole, template, { events, options: { columns } })
    const runFolder = await RunFolder.open(`${torn}-run`)
    for (const isFirst of [true, false]) {
      const action = filesAction(torn, template, { columns })
      const { act } = action
      let acts = 0
      action.act = async (...given) => {
        acts += 1
        if (isFirst && acts === 6) throw new Error('broken off')
        return await act.apply(action, given)
      }
      const options = { rules: [{ name: 'r', action }], checkpoints: { folder: runFolder } }
      const run = replay({ run: 'r1', source: listSource(events), ...options })
      if (!isFirst) await run
      else {
        await assert.rejects(run, /broken off/)
        const [data] = Object.keys(filesIn(torn)).filter((path) => path.startsWith('out'))
        appendFileSync(join(torn, data!), 'torn'.repeat(500_000))
      }
    }
    await runFolder.close()
    assert.deepEqual(filesIn(torn), filesIn(whole))
  })
}

test('failures that are tried again are added to the files; a Parquet file that is done gets another part', async (t) => {
  for (const template of ['out.jsonl', 'out.parquet']) {
    const folder = temporaryFolder(t)
    const runFolder = await RunFolder.open(`${folder}/run`)
    const some = events.slice(0, 10)
    for (const pass of [1, 2]) {
      const action = filesAction(join(folder, 'out'), template, { columns })
      const { act } = action
      action.act = async (...given) =>
        pass === 1 && given[0].length === 10
          ? [...((await act.call(action, given[0].slice(0, 4), given[1])) ?? Array(4).fill('done')), refusal]
          : await act.apply(action, given)
      const source = listSource(pass === 1 ? some : some.slice(4, 5))
      await replay({
        run: 'r1',
        source,
        rules: [{ name: 'r', action }],
        checkpoints: { folder: runFolder, pass },
      })
    }
    await runFolder.close()
    rmSync(join(folder, 'run'), { recursive: true })
    const files = filesIn(folder)
    const ids = []
    for (const [path, data] of Object.entries(files)) {
      const rows = path.endsWith('jsonl')
        ? data
            .toString()
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line))
        : await parquetReadObjects({ file: arrayBufferOf(data) })
      ids.push(...rows.map(({ id }) => id))
    }
    assert.deepEqual(
      Object.keys(files),
      template === 'out.jsonl' ? ['out/out.jsonl'] : ['out/out-00002.parquet', 'out/out.parquet'],
    )
    assert.deepEqual(ids.sort(), ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
  }
})

const refusal = new ActionFailure('refused', 'X', 'not today')

test('a run that is told to end leaves journals; going on makes the files of them', async (t) => {
  const folder = temporaryFolder(t)
  const runFolder = await RunFolder.open(`${folder}-run`)
  t.after(() => rmSync(`${folder}-run`, { recursive: true }))
  const stop = new AbortController()
  for (const isFirst of [true, false]) {
    const action = filesAction(folder, 'out.parquet', { columns })
    const { act } = action
    if (isFirst)
      action.act = async (...given) => {
        stop.abort()
        return await act.apply(action, given)
      }
    const report = await replay({
      run: 'r1',
      source: listSource(events),
      rules: [{ name: 'r', action }],
      checkpoints: { folder: runFolder },
      ...(isFirst && { signal: stop.signal }),
    })
    assert.equal(report.ended, isFirst ? 'interrupted' : 'done')
    assert.equal('out.parquet' in filesIn(folder), !isFirst)
    assert.equal('out.parquet.journal' in filesIn(folder), isFirst)
  }
  await runFolder.close()
  assert.deepEqual(Object.keys(filesIn(folder)), ['out.parquet'])
  const rows = await parquetReadObjects({ file: arrayBufferOf(filesIn(folder)['out.parquet']!) })
  assert.equal(rows.length, events.length)
})

test('a file that is shorter than its checkpoint says is an error, and nothing is written', async (t) => {
  const folder = temporaryFolder(t)
  const action = filesAction(folder, 'out.jsonl')
  const state = { template: 'out.jsonl', files: [['out.jsonl', 1, 100, 2, false]] }
  await assert.rejects(action.open({ state }), {
    code: 'REPLAY_CHECKPOINT_FOREIGN',
    message: /0 of the 100 bytes/,
  })
  await assert.rejects(filesAction(folder, 'other.jsonl').open({ state }), {
    code: 'REPLAY_CHECKPOINT_FOREIGN',
  })
  assert.deepEqual(filesIn(folder), {})
})

function arrayBufferOf(data: Buffer): ArrayBuffer {
  return new Uint8Array(data).buffer
}
