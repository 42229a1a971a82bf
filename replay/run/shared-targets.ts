/**
 * Where several rules act on one thing, such as a table: says when an event has to wait until those before it are
 * done, or one rule would overtake another with an event of the same key.
 */
import type { Rule } from '../rule.ts'

/** What a rule acts on: rules of one target keep the order of a key between them. */
export function targetOf({ action }: Pick<Rule, 'action'>): string {
  return action.target ?? action.name
}

/** Several rules have acted on an event of the key. */
const several = -1

export class SharedTargets {
  /** By rule; undefined where no other rule acts on the same. */
  readonly #targets: readonly (string | undefined)[]
  readonly #isShared: boolean
  /** By target and key, the rule that has an event of it in hand. */
  readonly #inHand = new Map<string, number>()

  constructor(rules: readonly Pick<Rule, 'action'>[]) {
    const all = rules.map(targetOf)
    this.#targets = all.map((target, at) =>
      all.some((other, place) => place !== at && other === target) ? target : undefined,
    )
    this.#isShared = this.#targets.some((target) => target !== undefined)
  }

  /**
   * Takes an event in hand.
   *
   * @param rules - Those that picked it.
   * @returns True where all that was in hand has to be done first; then only this event is in hand.
   */
  add(key: string, rules: readonly number[]): boolean {
    if (!this.#isShared) return false
    const mustWait = rules.some((rule) => {
      const other = this.#inHand.get(this.#placeOf(rule, key))
      return other !== undefined && other !== rule
    })
    if (mustWait) this.#inHand.clear()
    for (const rule of rules) {
      if (this.#targets[rule] === undefined) continue
      const place = this.#placeOf(rule, key)
      const other = this.#inHand.get(place) ?? rule
      this.#inHand.set(place, other === rule ? rule : several)
    }
    return mustWait
  }

  /** All that was in hand is done. */
  clear(): void {
    this.#inHand.clear()
  }

  #placeOf(rule: number, key: string): string {
    return `${this.#targets[rule]}\0${key}`
  }
}
