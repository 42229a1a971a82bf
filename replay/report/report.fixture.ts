/** Reports of runs of every kind, for the tests of what is made of a report. */
import { compilePattern } from '../../events/index.ts'
import { type Action, ActionFailure, type PlannedWrite } from '../action.ts'
import { ReplayError } from '../errors.ts'
import { listSource, recordingAction } from '../replay.fixture.ts'
import { replay } from '../replay.ts'
import type { ReplayOptions } from '../replay-options.ts'
import type { ReplayReport } from './report.ts'

export const plannedWrites: readonly PlannedWrite[] = [
  { kind: 'sql', statement: 'INSERT INTO cars\nVALUES ($1)', parameters: [1, null, 'x'] },
  { kind: 'request', method: 'POST', url: 'http://localhost/', headers: { a: 'b' }, body: { a: 1 } },
  { kind: 'request', method: 'DELETE', url: 'http://localhost/1', body: undefined },
  { kind: 'message', exchange: '', routingKey: 'cars', headers: { n: 1 }, body: '{}' },
  { kind: 'call', to: 'ship', input: { id: '1' } },
  { kind: 'text', to: 'standard output', text: '{}' },
]

/** As a program gets them from the JSON report. */
export async function reportsOfEveryKind(): Promise<Record<string, ReplayReport>> {
  const orders = Array.from({ length: 12 }, (_, at) => ({
    id: String(at + 1),
    subject: `k${at % 3}`,
    type: at % 2 === 0 ? 'order.placed' : 'order.<shipped>',
    time: `2026-01-01T00:00:${String(at).padStart(2, '0')}Z`,
  }))
  const plain = { source: () => listSource(orders), rules: [{ name: 'all', action: recordingAction() }] }
  const abort = new AbortController()
  const reports = {
    done: run(plain),
    nothing: run({ ...plain, source: () => listSource([]) }),
    dry: run({ ...plain, dryRun: true, rules: plannedWrites.map(ruleThatPlans) }),
    failing: run({
      source: () => listSource([...orders, 'no JSON', { id: '14', data: '\u0000\ud800' }]),
      rules: [
        { name: 'cars', pattern: compilePattern({ type: ['order.placed'] }), action: failingAction() },
        { name: 'all', action: recordingAction({ answer: async () => 'skipped' }) },
      ],
    }),
    'too many failures': run({
      ...plain,
      rules: [{ name: 'all', action: recordingAction({ refuse: refusal }) }],
      maxFailures: 2,
    }),
    interrupted: run({
      ...plain,
      rules: [
        {
          name: 'all',
          action: recordingAction({
            answer: async () => {
              abort.abort()
              return 'done'
            },
          }),
        },
      ],
      signal: abort.signal,
    }),
  }
  const told: Record<string, ReplayReport> = {}
  await run({
    ...plain,
    rules: [
      { name: 'all', action: recordingAction({ answer: () => Promise.reject(new Error('no "bug"')) }) },
    ],
    onError(report) {
      told.broken = JSON.parse(JSON.stringify(report))
    },
  }).catch(() => {})
  for (const [kind, report] of Object.entries(reports)) told[kind] = JSON.parse(JSON.stringify(await report))
  return told
}

async function run({
  source,
  ...options
}: Omit<ReplayOptions, 'run' | 'source'> & { source(): ReplayOptions['source'] }) {
  return await replay({ run: 'r1', source: source(), ...options })
}

function ruleThatPlans(write: PlannedWrite, at: number) {
  const action: Action = { ...recordingAction(), describe: () => write } as Action
  return { name: `rule ${at}`, action }
}

/** The 1st is throttled away, the 3rd refused by `prepare`, the 5th breaks a constraint. */
function failingAction(): Action {
  return recordingAction({
    refuse: (event) => (event.attributes.id === '3' ? refusal() : undefined),
    answer: async (id) => {
      if (id === '1') return new ActionFailure('refused', '429', 'slow "down" & <wait>')
      return id === '5' ? new ActionFailure('refused', '23505', 'the key is there\u0007') : 'done'
    },
  }) as Action
}

function refusal(): Error {
  return new ReplayError('REPLAY_EVENT_REFUSED', 'no price')
}
