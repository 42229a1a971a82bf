/** Events from JSON text, parsed and matched against a rule set, on one processor. */
import { compilePattern, compilePatterns } from '../../../events/index.ts'
import type { Part } from '../part.ts'
import { patternTexts, type RuleKind, rulesOf } from '../pattern-events.ts'

export interface PatternsSetup {
  readonly events: number
  readonly kind: RuleKind
}

export async function open({ events, kind }: PatternsSetup): Promise<Part> {
  const texts = patternTexts(events)
  const rules = compilePatterns(rulesOf(kind).map(compilePattern))

  return {
    async round() {
      let matched = 0
      const started = performance.now()
      for (const text of texts) matched += rules.match(JSON.parse(text)).length
      const ms = performance.now() - started
      if (matched === 0) throw new Error(`No event matched one of the rules: ${kind}`)
      return { events, ms }
    },
    async close() {},
  }
}
