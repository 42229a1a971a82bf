/** The suites on what is built in and needs no service. Plugins of a service run them beside their own tests. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { attributesOf, toMessage } from '../../events/index.ts'
import { openHistoryWriter } from '../../history/index.ts'
import type { Action } from '../action.ts'
import { filesAction, textsIn } from '../actions/files/files.fixture.ts'
import { pluginTarget } from '../plugin-target.fixture.ts'
import { findPlugin } from '../plugins.ts'
import { listSource, ordersOf, recordingAction } from '../replay.fixture.ts'
import type { Source } from '../source.ts'
import { actionConformance, sourceConformance } from './index.ts'

const load = async () => ({})
const events = ordersOf(40, { keys: 40 })

sourceConformance('a list', () => {
  let reads = 0
  return {
    events: 40,
    reads: () => reads,
    create: () => {
      const source = listSource(events)
      return {
        ...source,
        async *read({ after, signal }) {
          if (after !== undefined && !/^\d+$/.test(after)) throw await foreign()
          for await (const page of source.read({ after, signal })) {
            reads += 1
            yield page
          }
        },
      }
    },
  }
})

async function foreign(): Promise<Error> {
  const { ReplayError } = await import('../errors.ts')
  return new ReplayError('REPLAY_CHECKPOINT_FOREIGN', 'no token of a list')
}

actionConformance('a list', () => {
  const done: string[] = []
  return {
    events,
    effects: () => [...new Set(done)],
    create: () => ({
      ...recordingAction({
        batchMax: 7,
        answer: async (id) => {
          done.push(id)
          return 'done'
        },
      }),
      describe: (event) => ({ kind: 'text', to: 'a list', text: (event as { text: string }).text }),
    }),
  }
})

sourceConformance('history (SQLite)', async (t) => {
  const history = join(temporaryFolder(t), 'history.db')
  const writer = await openHistoryWriter({ history, exchange: 'orders' })
  const messages = Array.from({ length: 2_500 }, (_, at) =>
    toMessage(
      { type: 'order.placed', subject: `k${at % 7}`, id: String(at) },
      { exchange: 'orders', source: '/s' },
    ),
  )
  await writer.append({
    events: messages.map((message) => ({ ...attributesOf(message), message })),
    fences: [],
  })
  await writer.close()
  const plugin = await findPlugin('source', history, { load })
  return {
    events: 2_500,
    create: () => plugin.create(pluginTarget(history)) as Source,
  }
})

actionConformance('print', async () => {
  const lines: string[] = []
  const plugin = await findPlugin('action', 'print', { load })
  const output = {
    async write(text: string) {
      lines.push(text)
    },
  }
  return {
    events,
    effects: () => [...new Set(lines.join('').split('\n'))],
    create: () => plugin.create(pluginTarget('print', { output })) as Action,
  }
})

for (const [template, options] of [
  ['out/{$.subject}.jsonl', {}],
  ['out.csv', { columns: { id: '$.id' }, eventsMax: 7 }],
  ['out.csv.gz', { columns: { id: '$.id' } }],
  ['{$.subject}.parquet', {}],
] as const) {
  actionConformance(`files:${template}`, (t) => {
    const folder = temporaryFolder(t)
    const file = join(folder, 'file')
    writeFileSync(file, '')
    return {
      events,
      ...(template.includes('{') && { refused: { id: 'x' } }),
      effects: () => ({ ...textsIn(folder) }),
      create: () => filesAction(folder, template, options),
      createAway: () => filesAction(file, template, options),
    }
  })
}

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'backstory-conformance-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
