/**
 * The text of a pattern as it was written: an object's members in their order, and one that stands twice twice.
 *
 * `JSON.parse` would keep the last of two members only. EventBridge reads them one after the other: of two
 * lists the last one counts, two objects are joined, two `$or` must both hold.
 */
import { invalid } from './invalid.ts'

/** What stands between braces. */
class WrittenObject {
  readonly members: readonly (readonly [name: string, value: unknown])[]

  constructor(members: readonly (readonly [string, unknown])[]) {
    this.members = members
  }
}

/** In their order; of a pattern that was given as text, one that stands twice twice. */
export function membersOf(object: object): readonly (readonly [name: string, value: unknown])[] {
  return object instanceof WrittenObject ? object.members : Object.entries(object)
}

const lengthMax = 1_048_576
/** A pattern has 100 objects at most inside each other, and some lists in the innermost. */
const depthMax = 110
const token = /"(?:[^"\\]+|\\.)*"|[^\s,\]}]+/y

/** @throws EventError `PATTERN_INVALID`. */
export function parseText(text: string): unknown {
  if (text.length > lengthMax) throw invalid('', `The pattern is longer than ${lengthMax} characters`)
  try {
    JSON.parse(text)
  } catch (cause) {
    throw invalid('', `The pattern is no JSON: ${(cause as SyntaxError).message}`)
  }
  return new Reader(text).value(0)
}

/** Of text that is known to be JSON. */
class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(depth: number): unknown {
    if (depth > depthMax) throw invalid('', `The pattern is nested deeper than ${depthMax} objects and lists`)
    const character = this.#next()
    if (character === '{') return this.#object(depth)
    if (character === '[') return this.#list(depth)
    return this.#token()
  }

  #object(depth: number): WrittenObject {
    const members: [string, unknown][] = []
    for (this.#at += 1; this.#next() !== '}'; ) {
      if (this.#next() === ',') this.#at += 1
      this.#next()
      const name = this.#token() as string
      this.#next()
      // The colon.
      this.#at += 1
      members.push([name, this.value(depth + 1)])
    }
    this.#at += 1
    return new WrittenObject(members)
  }

  #list(depth: number): readonly unknown[] {
    const values: unknown[] = []
    for (this.#at += 1; this.#next() !== ']'; ) {
      if (this.#next() === ',') this.#at += 1
      values.push(this.value(depth + 1))
    }
    this.#at += 1
    return values
  }

  #token(): unknown {
    token.lastIndex = this.#at
    const [written] = token.exec(this.#text)!
    this.#at = token.lastIndex
    return JSON.parse(written)
  }

  /** The next character that is no space. */
  #next(): string {
    while (' \t\r\n'.includes(this.#text[this.#at]!)) this.#at += 1
    return this.#text[this.#at]!
  }
}
