/**
 * An event pattern, as EventBridge has them: compiled once, asked for each event.
 *
 * Fields named in a pattern must all match; of the values in a field's list one is enough. An event's other
 * fields do not matter.
 */
import { explainAlternatives, type PatternFinding } from './explain.ts'
import { type CompiledAlternative, compileAlternative } from './field-tree.ts'
import { isObject } from './json-object.ts'
import { matchesTree } from './match-tree.ts'
import { parsePattern } from './parse.ts'

export interface Pattern {
  /** The pattern itself, as JSON. */
  readonly text: string
  /**
   * @param event - Parsed JSON. What is no object matches nothing.
   * @throws EventError `EVENT_TOO_DEEP` for arrays nested deeper than 1,000, where they must be looked at.
   */
  matches(event: unknown): boolean
  /**
   * Why an event matches or not, field by field in the order of their paths.
   *
   * For an event that matches: what did in the first alternative that does. For any other: every
   * alternative, each with at least one finding that did not match. Takes its time; `matches` does not.
   *
   * @throws EventError `EVENT_TOO_DEEP` for arrays nested deeper than 1,000, where they must be looked at.
   */
  explain(event: unknown): readonly PatternFinding[]
  /**
   * What a field of the outermost object must be for the pattern to match: complete, so that a store may
   * leave out all events that have none of these texts there.
   *
   * @returns The texts, each once; undefined where the pattern does not limit the field to a list of texts.
   */
  requires(name: string): readonly string[] | undefined
}

/** @internal A pattern with what a rule set is made of. */
export class CompiledPattern implements Pattern {
  readonly text: string
  readonly alternatives: readonly CompiledAlternative[]

  constructor(pattern: unknown) {
    this.alternatives = parsePattern(pattern).map(compileAlternative)
    this.text = typeof pattern === 'string' ? pattern : JSON.stringify(pattern)
  }

  matches(event: unknown): boolean {
    if (!isObject(event)) return false
    const { alternatives } = this
    for (let index = 0; index < alternatives.length; index++) {
      if (matchesTree(alternatives[index]!.tree, event)) return true
    }
    return false
  }

  explain(event: unknown): readonly PatternFinding[] {
    return explainAlternatives(this.alternatives, event)
  }

  requires(name: string): readonly string[] | undefined {
    const texts = new Set<string>()
    for (const { fields } of this.alternatives) {
      const field = fields.find(({ names }) => names.length === 1 && names[0] === name)
      if (field === undefined) return undefined
      for (const test of field.tests) {
        if (test.is !== 'exact' || typeof test.value !== 'string') return undefined
        texts.add(test.value)
      }
    }
    return [...texts]
  }
}

/**
 * @param pattern - Parsed JSON, or its text, of at most 1,048,576 characters. Of a field that stands twice the
 *   last list counts; in a text, where an object may stand twice too, both are joined: as in EventBridge.
 * @throws EventError `PATTERN_INVALID` with the path to the mistake, such as `detail.price[0].numeric: …`; also
 *   for more than 1,000 combinations of `$or`, 100,000 values in all of them, 100 objects inside each other.
 */
export function compilePattern(pattern: unknown): Pattern {
  return new CompiledPattern(pattern)
}
