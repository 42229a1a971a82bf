/**
 * A schedule: the conditions of a simulated world and what happens in it, as data, so that a failing one
 * can be printed, run again, and shrunk step by step.
 */
import fc from 'fast-check'

/** Times in milliseconds of virtual time. */
export interface Conditions {
  readonly settleMs: number
  /** See ExchangeOptions. Where both together exceed `settleMs`, a binding may be late. */
  readonly bindMsMax: number
  readonly routeMsMax: number
  readonly replayBatch: number
  readonly liveBatch: number
  readonly prefetch: number
  readonly auditMs: number
  readonly inboxKeepMs: number
  readonly recorderBatch: number
  readonly recorderMsMax: number
  readonly callMsMax: number
  readonly handlerFailurePercent: number
  /** Whether the last publisher states no ids. */
  readonly hasAnonymous: boolean
}

export type Step = { readonly afterMs: number } & (
  | {
      readonly do: 'publish'
      readonly publisher: number
      readonly count: number
      /** Between two of them; the next steps come meanwhile. */
      readonly everyMs: number
    }
  | { readonly do: 'reconnect publisher'; readonly publisher: number; readonly downMs: number }
  | { readonly do: 'start'; readonly consumer: number }
  | {
      readonly do: 'kill' | 'cut' | 'stop'
      readonly consumer: number
      readonly afterCalls: number
      readonly downMs: number
    }
  | { readonly do: 'delay fence'; readonly consumer: number; readonly ms: number }
  | { readonly do: 'purge queue' | 'delete queue'; readonly consumer: number }
  | { readonly do: 'drop from queue'; readonly consumer: number; readonly count: number }
  | { readonly do: 'lock store'; readonly consumer: number; readonly ms: number }
  | { readonly do: 'pause recorder' | 'hide history'; readonly ms: number }
  | { readonly do: 'crash recorder'; readonly afterCommit: boolean }
)

export interface Schedule {
  /** For the times that things take. */
  readonly seed: number
  readonly conditions: Conditions
  readonly steps: readonly Step[]
}

/** Consumer 0 is there from the start, the other joins when it is told to, or when publishing is over. */
export const consumerCount = 2
export const publisherCount = 3

const publisher = fc.nat(publisherCount - 1)
const consumer = fc.nat(consumerCount - 1)
const afterMs = fc.oneof({ weight: 3, arbitrary: fc.nat(20) }, { weight: 1, arbitrary: fc.nat(200) })
const everyMs = fc.oneof(fc.constant(0), fc.nat(30))
const afterCalls = fc.nat(40)
const downMs = fc.nat(120)
const ms = fc.oneof(fc.nat(60), fc.nat(600))

function step<What extends string, Rest>(what: What, rest: { [Key in keyof Rest]: fc.Arbitrary<Rest[Key]> }) {
  return fc.record({ do: fc.constant(what), afterMs, ...rest }) as unknown as fc.Arbitrary<Step>
}

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: step('publish', { publisher, count: fc.integer({ min: 1, max: 8 }), everyMs }) },
  { weight: 3, arbitrary: step('reconnect publisher', { publisher, downMs: ms }) },
  { weight: 4, arbitrary: step('start', { consumer }) },
  { weight: 3, arbitrary: step('kill', { consumer, afterCalls, downMs }) },
  { weight: 2, arbitrary: step('cut', { consumer, afterCalls, downMs }) },
  { weight: 1, arbitrary: step('stop', { consumer, afterCalls, downMs }) },
  { weight: 1, arbitrary: step('delay fence', { consumer, ms }) },
  { weight: 1, arbitrary: step('purge queue', { consumer }) },
  { weight: 1, arbitrary: step('delete queue', { consumer }) },
  { weight: 1, arbitrary: step('drop from queue', { consumer, count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: step('lock store', { consumer, ms }) },
  { weight: 3, arbitrary: step('pause recorder', { ms }) },
  { weight: 2, arbitrary: step('hide history', { ms }) },
  { weight: 2, arbitrary: step('crash recorder', { afterCommit: fc.boolean() }) },
)

/** Most clusters settle in time; some do not. */
const delays = fc
  .record({
    settleMs: fc.integer({ min: 30, max: 60 }),
    bindPercent: fc.nat(100),
    routePercent: fc.nat(100),
    isSlow: fc.boolean(),
  })
  .map(({ settleMs, bindPercent, routePercent, isSlow }) => {
    const budgetMs = isSlow ? settleMs * 2 : settleMs
    const routeMsMax = Math.floor((budgetMs * routePercent) / 200)
    const bindMsMax = Math.floor(((budgetMs - routeMsMax) * bindPercent) / 100)
    return { settleMs, routeMsMax, bindMsMax }
  })

const conditions: fc.Arbitrary<Conditions> = fc
  .tuple(
    delays,
    fc.record({
      replayBatch: fc.integer({ min: 1, max: 6 }),
      liveBatch: fc.integer({ min: 1, max: 4 }),
      prefetch: fc.integer({ min: 1, max: 8 }),
      auditMs: fc.integer({ min: 15, max: 100 }),
      inboxKeepMs: fc.constantFrom(0, 1_000, 3_600_000),
      recorderBatch: fc.integer({ min: 1, max: 8 }),
      recorderMsMax: fc.nat(12),
      callMsMax: fc.nat(6),
      handlerFailurePercent: fc.constantFrom(0, 2, 10),
      hasAnonymous: fc.boolean(),
    }),
  )
  .map(([delay, rest]) => ({ ...delay, ...rest }))

export function schedules(): fc.Arbitrary<Schedule> {
  return fc.record({
    seed: fc.nat(0x7fffffff),
    conditions,
    steps: fc.array(steps, { minLength: 3, maxLength: 24, size: 'max' }),
  })
}
