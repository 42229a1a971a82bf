/**
 * The fields of one alternative as a tree of names, in the form in which events are compared with it.
 *
 * Common beginnings of paths are one node, so that an event's object is entered once, and so that two
 * fields inside one array are compared with the same element of it.
 */
import type { Alternative } from './parse.ts'
import { acceptsOneOf, type Scalar } from './value-test.ts'

export interface FieldTest {
  /** The place among the alternative's fields. */
  readonly order: number
  readonly accepts: (value: Scalar) => boolean
  /** An event without the field passes: one of its tests is `exists: false`. */
  readonly absentPasses: boolean
}

/** What is asked of a value: to be accepted, to be an object with such members, or, with `$or`, both. */
export interface Node {
  readonly test: FieldTest | undefined
  readonly members: readonly Member[]
  /** The same without `test`, for what is asked of an array's elements besides it. */
  readonly withoutTest: Node
  /** Every test here and below, by order. */
  readonly tests: readonly FieldTest[]
  /** Whether each can tell by itself: no `exists: false`, no node with both test and members. */
  readonly isPlain: boolean
}

export interface Member {
  readonly name: string
  /** `constructor` and the like, which every object has without its JSON saying so. */
  readonly isInherited: boolean
  readonly node: Node
}

interface Draft {
  test: FieldTest | undefined
  readonly members: Map<string, Draft>
}

/** One combination of `$or` entries. */
export interface CompiledAlternative {
  readonly fields: Alternative
  readonly tree: Node
}

export function compileAlternative(fields: Alternative): CompiledAlternative {
  return { fields, tree: treeOf(fields) }
}

function treeOf(alternative: Alternative): Node {
  const root: Draft = { test: undefined, members: new Map() }
  alternative.forEach(({ names, tests }, order) => {
    let draft = root
    for (const name of names) {
      const below = draft.members.get(name) ?? { test: undefined, members: new Map() }
      draft.members.set(name, below)
      draft = below
    }
    const absentPasses = tests.some((test) => test.is === 'exists' && !test.exists)
    draft.test = { order, accepts: acceptsOneOf(tests), absentPasses }
  })
  return nodeOf(root)
}

function nodeOf({ test, members: drafts }: Draft): Node {
  const members = [...drafts].map(([name, draft]) => ({
    name,
    isInherited: name in Object.prototype,
    node: nodeOf(draft),
  }))
  const below = members.flatMap(({ node }) => node.tests).sort((a, b) => a.order - b.order)
  const isPlain = members.every(({ node }) => node.isPlain)
  const inner = { test: undefined, members, tests: below, isPlain }
  const withoutTest: Node = Object.assign(inner, { withoutTest: undefined as unknown as Node })
  Object.assign(withoutTest, { withoutTest })
  if (test === undefined) return withoutTest
  return {
    test,
    members,
    withoutTest,
    tests: [test, ...below],
    isPlain: isPlain && members.length === 0 && !test.absentPasses,
  }
}

/** What an event's object has under a name; undefined for nothing. */
export function memberOf(object: object, { name, isInherited }: Omit<Member, 'node'>): unknown {
  if (isInherited && !Object.hasOwn(object, name)) return undefined
  return (object as Readonly<Record<string, unknown>>)[name]
}

export function isScalar(value: unknown): value is Scalar {
  const type = typeof value
  return type === 'string' || type === 'number' || type === 'boolean' || value === null
}
