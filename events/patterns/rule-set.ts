/**
 * Many patterns asked at once, at the price of the few that can match.
 *
 * Each alternative of each pattern is filed under one of its fields that takes exact values only, and there
 * under each of these values: of all such fields the one whose values the fewest others share. An event's
 * values name the alternatives to look at. What has no such field is looked at for every event.
 */
import { isScalar, memberOf, type Node } from './field-tree.ts'
import { isObject } from './json-object.ts'
import { matchesTree, refuseDeep } from './match-tree.ts'
import type { Field } from './parse.ts'
import { CompiledPattern, type Pattern } from './pattern.ts'
import type { Scalar } from './value-test.ts'

export interface RuleSet {
  /**
   * @param event - Parsed JSON. What is no object matches nothing.
   * @returns The places of all patterns that match, in order. Not to be changed.
   * @throws EventError `EVENT_TOO_DEEP` for arrays nested deeper than 1,000, where they must be looked at.
   */
  match(event: unknown): readonly number[]
}

/**
 * @param patterns - Of `compilePattern`.
 * @throws TypeError for anything else.
 */
export function compilePatterns(patterns: readonly Pattern[]): RuleSet {
  const rules = patterns.flatMap((pattern, place) => {
    if (!(pattern instanceof CompiledPattern)) {
      throw new TypeError(`Expected \`patterns[${place}]\` to be a pattern of compilePattern`)
    }
    return pattern.alternatives.map(({ fields, tree }) => new Rule(place, fields, tree))
  })
  return new Index(rules, patterns.length)
}

/** An alternative of the pattern at `place`. */
class Rule {
  readonly place: number
  readonly fields: readonly Field[]
  readonly tree: Node
  /** An event that names it matches: the field under which it is filed is all there is. */
  readonly isNamedOnly: boolean
  /** The number of the last event for which it was looked at: an event may name it twice. */
  lookedAt = 0

  constructor(place: number, fields: readonly Field[], tree: Node) {
    this.place = place
    this.fields = fields
    this.tree = tree
    this.isNamedOnly = fields.length === 1 && isExact(fields[0]!)
  }
}

/** Rules filed at a field and below it. */
class Drawer {
  readonly rules = new Map<Scalar, Rule[]>()
  readonly members = new Map<string, Drawer>()
  /** The same members, to walk through. */
  readonly list: { readonly name: string; readonly isInherited: boolean; readonly drawer: Drawer }[] = []

  at(names: readonly string[]): Drawer {
    let drawer: Drawer = this
    for (const name of names) drawer = drawer.members.get(name) ?? drawer.#add(name)
    return drawer
  }

  #add(name: string): Drawer {
    const drawer = new Drawer()
    this.members.set(name, drawer)
    this.list.push({ name, isInherited: name in Object.prototype, drawer })
    return drawer
  }

  file(value: Scalar, rule: Rule): void {
    const rules = this.rules.get(value)
    if (rules === undefined) this.rules.set(value, [rule])
    else if (rules.at(-1) !== rule) rules.push(rule)
  }
}

const nothing: readonly number[] = Object.freeze([])

class Index implements RuleSet {
  readonly #root = new Drawer()
  readonly #always: Rule[] = []
  /** By pattern, the number of the last event that it matched. */
  readonly #matchedBy: Float64Array
  #event = 0
  #found: number[] | undefined

  constructor(rules: readonly Rule[], patterns: number) {
    this.#matchedBy = new Float64Array(patterns)
    const all = new Drawer()
    for (const rule of rules) {
      for (const field of rule.fields.filter(isExact)) {
        for (const value of valuesOf(field)) all.at(field.names).file(value, rule)
      }
    }
    for (const rule of rules) {
      const field = rarest(rule.fields.filter(isExact), all)
      if (field === undefined) this.#always.push(rule)
      else for (const value of valuesOf(field)) this.#root.at(field.names).file(value, rule)
    }
  }

  match(event: unknown): readonly number[] {
    if (!isObject(event)) return nothing
    this.#event += 1
    this.#found = undefined
    for (let index = 0; index < this.#always.length; index++) this.#look(this.#always[index]!, event)
    if (this.#root.list.length > 0) this.#enter(this.#root, event, event)
    return inOrder(this.#found)
  }

  #enter(drawer: Drawer, object: JsonObject, event: object): void {
    const { list } = drawer
    // Whichever is shorter, about: a set may have rules on more fields than any event has.
    if (list.length > fewFields) {
      for (const name in object) {
        const below = drawer.members.get(name)
        if (below !== undefined) this.#visit(below, object[name], event, 0)
      }
      return
    }
    for (let index = 0; index < list.length; index++) {
      const member = list[index]!
      this.#visit(member.drawer, memberOf(object, member), event, 0)
    }
  }

  #visit(drawer: Drawer, value: unknown, event: object, nesting: number): void {
    if (typeof value === 'object' && value !== null) {
      if (Array.isArray(value)) {
        refuseDeep(nesting + 1)
        for (const element of value) this.#visit(drawer, element, event, nesting + 1)
      } else if (drawer.list.length > 0) this.#enter(drawer, value as JsonObject, event)
      return
    }
    if (!isScalar(value)) return
    const rules = drawer.rules.get(value)
    if (rules !== undefined) for (const rule of rules) this.#look(rule, event)
  }

  #look(rule: Rule, event: object): void {
    if (rule.lookedAt === this.#event) return
    rule.lookedAt = this.#event
    if (this.#matchedBy[rule.place] === this.#event) return
    if (!rule.isNamedOnly && !matchesTree(rule.tree, event)) return
    this.#matchedBy[rule.place] = this.#event
    this.#found ??= []
    this.#found.push(rule.place)
  }
}

const fewFields = 16

type JsonObject = Readonly<Record<string, unknown>>

function inOrder(found: number[] | undefined): readonly number[] {
  return found === undefined ? nothing : found.sort((a, b) => a - b)
}

function isExact(field: Field): boolean {
  return field.tests.every(({ is }) => is === 'exact')
}

function valuesOf(field: Field): readonly Scalar[] {
  return field.tests.flatMap((test) => (test.is === 'exact' ? [test.value] : []))
}

function rarest(fields: readonly Field[], all: Drawer): Field | undefined {
  let rare: Field | undefined
  let fewest = Number.POSITIVE_INFINITY
  for (const field of fields) {
    const { rules } = all.at(field.names)
    const count = valuesOf(field).reduce<number>((sum, value) => sum + rules.get(value)!.length, 0)
    if (count >= fewest) continue
    rare = field
    fewest = count
  }
  return rare
}
