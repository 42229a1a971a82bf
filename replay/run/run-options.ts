/** The options of a replay, checked. */

import type { ReplayEvent } from '../replay-event.ts'
import type { ReplayOptions } from '../replay-options.ts'
import { FailureLimit } from './failure-limit.ts'
import { Pace } from './pace.ts'
import { defaultRetries, type Retries } from './retry-policy.ts'
import type { Order } from './rule-run.ts'

/** Options with their defaults. */
export interface RunOptions
  extends Omit<ReplayOptions, 'retries' | 'maxFailures' | 'order' | 'concurrency' | 'keyOf'> {
  readonly order: Order
  readonly concurrency: number
  readonly dryRun: boolean
  readonly signal: AbortSignal
  readonly retries: Retries
  keyOf(event: ReplayEvent): string | undefined
  /** One for each rule. */
  pace(): Pace
  readonly failureLimit: FailureLimit
}

/** @throws TypeError for options that cannot be. */
export function resolveOptions(options: ReplayOptions): RunOptions {
  const { order = 'global', concurrency = 8, dryRun = false, maxFailures = 1_000, retries } = options
  const { signal = new AbortController().signal, keyOf = (event) => event.attributes.subject } = options
  if (options.rules.length === 0) throw new TypeError('Expected at least one rule')
  if (new Set(options.rules.map(({ name }) => name)).size < options.rules.length)
    throw new TypeError('Expected `rules` to have names of their own')
  if (!['global', 'key', 'none'].includes(order))
    throw new TypeError(`Expected \`order\` to be global, key or none, got ${order}`)
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 1_000)
    throw new TypeError(`Expected \`concurrency\` to be an integer from 1 to 1000, got ${concurrency}`)
  const pace = () => new Pace({ rate: options.rate, speed: options.speed })
  pace()
  return {
    ...options,
    order,
    concurrency,
    dryRun,
    signal,
    keyOf,
    pace,
    failureLimit: new FailureLimit(maxFailures),
    retries: checkedRetries(retries),
  }
}

function checkedRetries({
  throttled = defaultRetries.throttled,
  unavailable = defaultRetries.unavailable,
  refused = defaultRetries.refused,
}: Partial<Retries> = {}): Retries {
  const retries = { throttled, unavailable, refused }
  for (const [kind, tries] of Object.entries(retries)) {
    if (!Number.isInteger(tries) || tries < 0)
      throw new TypeError(`Expected \`retries.${kind}\` to be an integer from 0 on, got ${tries}`)
  }
  return retries
}
