/** Which rules an event is for. */

import { compilePatterns, type RuleSet } from '../../events/index.ts'
import { ReplayError } from '../errors.ts'
import type { FailureCause } from '../failure-cause.ts'
import type { ReplayEvent } from '../replay-event.ts'
import type { Rule } from '../rule.ts'

export class RulePicker {
  readonly #names: readonly string[]
  readonly #isRetry: boolean
  /** Of the rules that have a pattern; the index there is that of `#patterned`. */
  readonly #patterns: RuleSet
  readonly #patterned: readonly number[]
  /** Of the rules without one. */
  readonly #always: readonly number[]

  /** @param options.isRetry - All events have failed under these rules: one that names another is a mistake. */
  constructor(rules: readonly Rule[], { isRetry }: { isRetry: boolean }) {
    this.#isRetry = isRetry
    this.#names = rules.map(({ name }) => name)
    const all = rules.map((_, rule) => rule)
    this.#patterned = all.filter((rule) => rules[rule]!.pattern !== undefined)
    this.#always = all.filter((rule) => rules[rule]!.pattern === undefined)
    this.#patterns = compilePatterns(this.#patterned.map((rule) => rules[rule]!.pattern!))
  }

  /**
   * @returns Indices of rules, in order; undefined where it is for none.
   * @throws ReplayError `REPLAY_PLAN_INVALID` as above. `REPLAY_EVENT_UNREADABLE`, also where every event is picked: what cannot be read is not
   *   acted on.
   */
  pick(event: ReplayEvent): readonly number[] | undefined {
    // Throws where the event is unreadable, and costs less than `json` where that has not been made.
    if (this.#patterned.length === 0) void event.attributes
    let picking = this.#always
    if (this.#patterned.length > 0) {
      const matching = this.#patterns.match(event.json)
      if (matching.length > 0) {
        picking = matching.map((index) => this.#patterned[index]!)
        if (this.#always.length > 0) picking = [...picking, ...this.#always].sort((a, b) => a - b)
      }
    }
    const rules = failedRules(event)
    if (rules !== undefined && this.#isTheirs(rules, event))
      picking = picking.filter((rule) => rules.includes(this.#names[rule]!))
    return picking.length === 0 ? undefined : picking
  }

  /**
   * What of an event's failures is left as it is by a retry, since no rule that has failed with it picks it.
   *
   * @param picking - As `pick` gave it.
   */
  left({ causes = [] }: ReplayEvent, picking: readonly number[] = []): readonly FailureCause[] {
    if (!this.#isRetry) return []
    const picked = picking.map((rule) => this.#names[rule])
    // What no rule had seen is whichever's that takes it now.
    return causes.filter(({ rule }) => (rule === undefined ? picked.length === 0 : !picked.includes(rule)))
  }

  /** Undefined where there is none of that name. */
  indexOf(name: string | undefined): number | undefined {
    const at = name === undefined ? -1 : this.#names.indexOf(name)
    return at === -1 ? undefined : at
  }

  /** Whether the rules that an event has failed under are among these. A file of failures may be any replay's. */
  #isTheirs(rules: readonly string[], event: ReplayEvent): boolean {
    const missing = rules.find((name) => !this.#names.includes(name))
    if (missing !== undefined && this.#isRetry) {
      throw new ReplayError(
        'REPLAY_PLAN_INVALID',
        `${event.place} has failed under the rule ${missing}, and the plan has none of that name: name one so`,
      )
    }
    return rules.some((name) => this.#names.includes(name))
  }
}

/** Undefined where any may pick it. */
function failedRules({ causes }: ReplayEvent): readonly string[] | undefined {
  const rules = causes?.map(({ rule }) => rule)
  return rules?.every((rule) => rule !== undefined) ? rules : undefined
}
