/**
 * JSON as it was written. Parsing and writing it again would lose digits of long numbers; these work on
 * the text itself, which must be known to be JSON.
 */

/** The text of a member of an object, the last of that name; undefined where it has none. */
export function memberText(text: string, name: string): string | undefined {
  let found: string | undefined
  let at = afterSpace(text, text.indexOf('{') + 1)
  while (text[at] === '"') {
    const keyEnd = stringEnd(text, at)
    const from = afterSpace(text, text.indexOf(':', keyEnd) + 1)
    const to = valueEnd(text, from)
    if (JSON.parse(text.slice(at, keyEnd)) === name) found = text.slice(from, to).trimEnd()
    // A comma and the next member, or the end of the object.
    at = afterSpace(text, to + 1)
  }
  return found
}

/** The text of an element of an array, counted from 0; undefined where it has not so many. */
export function elementText(text: string, index: number): string | undefined {
  let at = afterSpace(text, text.indexOf('[') + 1)
  for (let element = 0; at < text.length && text[at] !== ']'; element++) {
    const to = valueEnd(text, at)
    if (element === index) return text.slice(at, to).trimEnd()
    at = afterSpace(text, to + 1)
  }
  return undefined
}

/** The texts of all elements of an array, in order. */
export function elementTexts(text: string): string[] {
  const found: string[] = []
  let at = afterSpace(text, text.indexOf('[') + 1)
  while (at < text.length && text[at] !== ']') {
    const to = valueEnd(text, at)
    found.push(text.slice(at, to).trimEnd())
    // A comma and the next element, or the end of the array.
    at = text[to] === ',' ? afterSpace(text, to + 1) : to
  }
  return found
}

/** The same JSON on one line: a line break in JSON is never part of a text. */
export function oneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]+/g, ' ') : text
}

/** The same JSON, a member a line, two spaces a level. */
export function indentJson(text: string): string {
  const parts: string[] = []
  let level = 0
  const newLine = () => parts.push(`\n${'  '.repeat(level)}`)
  for (let at = afterSpace(text, 0); at < text.length; at = afterSpace(text, at)) {
    const character = text[at]!
    const next = afterSpace(text, at + 1)
    if (opens(character) && closes(text[next])) {
      parts.push(character, text[next]!)
      at = next + 1
    } else if (character === '"') {
      const end = stringEnd(text, at)
      parts.push(text.slice(at, end))
      at = end
    } else {
      if (opens(character)) level += 1
      else if (closes(character)) {
        level -= 1
        newLine()
      }
      parts.push(character === ':' ? ': ' : character)
      if (opens(character) || character === ',') newLine()
      at += 1
    }
  }
  return parts.join('')
}

/** Just behind the value that begins at `from`. */
function valueEnd(text: string, from: number): number {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const character = text[at]
    if (character === '"') at = stringEnd(text, at) - 1
    else if (opens(character)) depth += 1
    else if (depth === 0 && (character === ',' || closes(character))) return at
    else if (closes(character)) depth -= 1
  }
  return text.length
}

/** Just behind the string that begins at `from`. */
function stringEnd(text: string, from: number): number {
  for (let quote = text.indexOf('"', from + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0
    while (text[quote - 1 - slashes] === '\\') slashes += 1
    if (slashes % 2 === 0) return quote + 1
  }
  return text.length
}

function afterSpace(text: string, from: number): number {
  let at = from
  while (' \t\r\n'.includes(text[at] ?? '.')) at += 1
  return at
}

function opens(character: string | undefined): boolean {
  return character === '{' || character === '['
}

function closes(character: string | undefined): boolean {
  return character === '}' || character === ']'
}
