/**
 * Whether an event has values for all fields of an alternative, no two of them out of different elements
 * of one array.
 *
 * Arrays are seen through: a field's values are those of all elements, whose arrays count likewise. What is
 * asked of an array, one of its elements must answer alone. That takes a look at each value once, where the
 * fields' tests are about values only.
 *
 * `exists: false` is about the lack of a value, and there EventBridge goes by the order of the fields' paths:
 * a field that comes before all that were found in an array must be missing from the whole array, one that
 * comes later only from the element in which those were found. So the careful way gives, for each part of
 * an event, the first field found in it; the earlier it is, the more of the fields behind it are bound to
 * an element only.
 */
import { EventError } from '../errors.ts'
import { type FieldTest, isScalar, memberOf, type Node } from './field-tree.ts'

/** Arrays directly inside arrays: far beyond any real event, and safe for the stack. */
const nestingMax = 1_000

/** @throws EventError `EVENT_TOO_DEEP` for arrays nested deeper than 1,000. */
export function matchesTree(node: Node, event: object): boolean {
  if (node.isPlain) return hasMembers(node, event)
  return firstFound(node, event, 0) !== fails
}

function hasMembers({ members }: Node, object: object): boolean {
  for (let index = 0; index < members.length; index++) {
    const member = members[index]!
    if (!passes(member.node, memberOf(object, member), 0)) return false
  }
  return true
}

function passes(node: Node, value: unknown, nesting: number): boolean {
  if (typeof value === 'object' && value !== null) {
    if (Array.isArray(value)) return somePasses(node, value, nesting + 1)
    return node.test === undefined && hasMembers(node, value)
  }
  return node.test !== undefined && isScalar(value) && node.test.accepts(value)
}

function somePasses(node: Node, array: readonly unknown[], nesting: number): boolean {
  refuseDeep(nesting)
  for (let index = 0; index < array.length; index++) if (passes(node, array[index], nesting)) return true
  return false
}

export function refuseDeep(nesting: number): void {
  if (nesting > nestingMax) {
    throw new EventError('EVENT_TOO_DEEP', `An event's arrays are nested deeper than ${nestingMax}`)
  }
}

const fails = -1
const noneFound = Number.POSITIVE_INFINITY

/** The order of the first field found; `noneFound` where all are missing and may be; `fails`. */
function firstFound(node: Node, value: unknown, nesting: number): number {
  if (Array.isArray(value)) return firstInArray(node, value, nesting + 1)
  let first = noneFound
  if (node.test !== undefined) {
    if (isScalar(value)) {
      if (!node.test.accepts(value)) return fails
      first = node.test.order
    } else if (!node.test.absentPasses) return fails
  }
  const isObject = typeof value === 'object' && value !== null
  for (const member of node.members) {
    const found = firstFound(member.node, isObject ? memberOf(value, member) : undefined, nesting)
    if (found === fails) return fails
    if (found < first) first = found
  }
  return first
}

function firstInArray(node: Node, array: readonly unknown[], nesting: number): number {
  refuseDeep(nesting)
  const { test, withoutTest } = node
  if (test === undefined) return firstInElements(node, array, nesting)
  // A value that stands in the array itself binds the other fields to no element of it.
  const isFree = array.some((element) => isScalar(element) && test.accepts(element))
  if (isFree || (test.absentPasses && !hasValue(node, array, test, nesting))) {
    const others = node.members.length === 0 ? noneFound : firstInElements(withoutTest, array, nesting)
    if (others !== fails) return isFree ? test.order : others
  }
  // The test is the first of its node: nothing before it could be in the way.
  for (const element of array) {
    if (Array.isArray(element) && firstInArray(node, element, nesting + 1) === test.order) return test.order
  }
  return fails
}

function firstInElements(node: Node, array: readonly unknown[], nesting: number): number {
  let first = noneFound
  let isFound = false
  // What is in the way of one order is in the way of each later one: no order is looked at twice.
  let refused = noneFound
  for (const element of array) {
    if (isScalar(element)) continue
    const found = firstFound(node, element, nesting)
    if (found === fails || found === noneFound || found >= (isFound ? first : refused)) continue
    if (missingBefore(node, array, { order: found, nesting })) {
      first = found
      isFound = true
    } else refused = found
  }
  if (isFound) return first
  return missingBefore(node, array, { order: noneFound, nesting }) ? noneFound : fails
}

/** Whether the fields before the one of that order may be missing and are, in the whole array. */
function missingBefore(
  node: Node,
  array: readonly unknown[],
  { order, nesting }: { order: number; nesting: number },
): boolean {
  for (const test of node.tests) {
    if (test.order >= order) continue
    if (!test.absentPasses || hasValue(node, array, test, nesting)) return false
  }
  return true
}

function hasValue(node: Node, value: unknown, test: FieldTest, nesting: number): boolean {
  if (Array.isArray(value)) {
    refuseDeep(nesting)
    return value.some((element) => hasValue(node, element, test, nesting + 1))
  }
  if (node.test === test) return isScalar(value)
  if (typeof value !== 'object' || value === null) return false
  return node.members.some(
    (member) =>
      member.node.tests.includes(test) && hasValue(member.node, memberOf(value, member), test, nesting),
  )
}
