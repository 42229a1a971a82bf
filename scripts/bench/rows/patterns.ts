/** Event patterns: 10,000 exact rules beside one, rules of other kinds, and parsing alone. */
import { type RuleKind, textBytes } from '../pattern-events.ts'
import type { Row } from '../row.ts'

export const patterns: Row = {
  name: 'patterns',
  path: `patterns: JSON texts of ${textBytes} bytes against 10,000 exact rules`,
  events: { usual: 200_000, quick: 1_000 },
  async prepare(bench) {
    const { events } = bench
    const contender = async (label: string, kind: RuleKind) => {
      const part = await bench.start('patterns', { events, kind })
      return { label, run: () => part.round() }
    }
    const bare = await bench.start('bare-parse', { events })
    return {
      ours: await contender('JSON.parse and 10,000 exact rules', 'many'),
      peers: [
        // At most 1.2 times the time of one rule.
        { ...(await contender('one exact rule', 'one')), target: 0.83 },
        { ...(await contender('5 exact rules', 'exact')), target: undefined },
        { ...(await contender('5 rules with wildcards', 'wildcard')), target: undefined },
        { ...(await contender('5 numeric rules', 'numeric')), target: undefined },
        { label: 'JSON.parse alone', target: undefined, run: () => bare.round() },
      ],
    }
  },
}
