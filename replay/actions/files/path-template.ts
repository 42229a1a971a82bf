/**
 * Where an event's file is: a path with places in it, `out/{$.type}/{$.subject}.jsonl`.
 *
 * What fills a place comes from outside, so it can be no more than a part of one name: it makes no folder,
 * leaves none, and is a name that every system can have. Different values give different names: what is not
 * plain is written as `%` and the two hexadecimal digits of each of its bytes.
 */
import { createHash } from 'node:crypto'
import { type JsonPath, parsePath, textAt, valuesAt } from '../../../events/index.ts'
import { ReplayError } from '../../errors.ts'
import type { ReplayEvent } from '../../replay-event.ts'

type Part = { readonly text: string } | { readonly path: JsonPath; readonly place: string }

export class PathTemplate {
  /** The part before the first place, up to its last `/`: all files are in there. Empty: where the run is. */
  readonly folder: string
  /** Below the folder, where every event goes to one file. */
  readonly constant: string | undefined
  /** Of each name below the folder. */
  readonly #segments: readonly (readonly Part[])[]

  /** @throws TypeError that says what is wrong with it. */
  constructor(template: string) {
    const parts = partsOf(template)
    const [first] = parts
    const start = first !== undefined && 'text' in first ? first.text : ''
    const folderEnd = start.lastIndexOf('/') + 1
    this.folder = start.slice(0, folderEnd)
    this.#segments = segmentsOf([{ text: start.slice(folderEnd) }, ...parts.slice(start === '' ? 0 : 1)])
    const names = this.#segments.map((segment) =>
      segment.map((part) => ('text' in part ? part.text : '\0')).join(''),
    )
    if (names.at(-1) === '') throw new TypeError(`${template} names a folder, where a file is wanted`)
    const odd = names.find((name) => name === '' || name === '.' || name === '..')
    if (odd !== undefined) throw new TypeError(`${template} has a part that is ${odd === '' ? 'empty' : odd}`)
    this.constant = parts.every((part) => 'text' in part) ? names.join('/') : undefined
  }

  /**
   * Below the folder, with `/`.
   *
   * @throws ReplayError `REPLAY_EVENT_REFUSED` where a place leads to nothing, or to what is no text, number or
   *   boolean. `REPLAY_EVENT_UNREADABLE`.
   */
  pathFor(event: ReplayEvent): string {
    if (this.constant !== undefined) return this.constant
    return this.#segments
      .map((segment) => {
        const name = segment
          .map((part) => ('text' in part ? part.text : escaped(valueFor(part, event))))
          .join('')
        return withinLimits(name)
      })
      .join('/')
  }
}

function partsOf(template: string): Part[] {
  const parts: Part[] = []
  let at = 0
  for (let open = template.indexOf('{$'); open !== -1; open = template.indexOf('{$', at)) {
    if (open > at) parts.push({ text: template.slice(at, open) })
    const { path, end } = parsePath(template.slice(open + 1))
    const close = open + 1 + end
    if (template[close] !== '}')
      throw new TypeError(`In ${template} at character ${close + 1}: expected } behind the path`)
    parts.push({ path, place: template.slice(open + 1, close) })
    at = close + 1
  }
  if (at < template.length) parts.push({ text: template.slice(at) })
  return parts
}

function segmentsOf(parts: readonly Part[]): Part[][] {
  const segments: Part[][] = [[]]
  for (const part of parts) {
    if (!('text' in part)) {
      segments.at(-1)!.push(part)
      continue
    }
    const [head, ...more] = part.text.split('/')
    if (head !== '') segments.at(-1)!.push({ text: head! })
    for (const text of more) segments.push(text === '' ? [] : [{ text }])
  }
  return segments
}

function valueFor({ path, place }: { path: JsonPath; place: string }, event: ReplayEvent): string {
  const values = valuesAt(path, event.json)
  const [value] = values
  if (values.length === 1 && ['string', 'boolean'].includes(typeof value)) return String(value)
  // As it was written: long numbers that differ in their last digits are different files.
  if (values.length === 1 && typeof value === 'number')
    return textAt(path, event.jsonText ?? event.text) ?? String(value)
  const what = values.length === 0 || value === null ? 'leads to nothing' : 'leads to what is no text'
  throw new ReplayError('REPLAY_EVENT_REFUSED', `${place}, which names its file, ${what}`)
}

/** Letters and digits of any language, and what no system minds; a dot only in the midst, where it is neither `..` nor hidden. */
const plain = /^[\p{L}\p{N}_@+=,!-]$/u

function escaped(value: string): string {
  // An empty one would be no name, and no other value gives this.
  if (value === '') return '%'
  const characters = [...value.normalize('NFC')]
  return characters
    .map((character, at) => {
      const isInside = at > 0 && at < characters.length - 1
      const isKept = plain.test(character) || (isInside && (character === '.' || character === ' '))
      return isKept ? character : bytesOf(character)
    })
    .join('')
}

function bytesOf(character: string): string {
  return Array.from(
    Buffer.from(character),
    (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('')
}

/** Names of devices, on Windows, whatever follows the dot. */
const device = /^(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i
/** Of the 255 that a name may have, with what is added to it: the number of a part, `.journal`. */
const nameBytesMax = 200

function withinLimits(name: string): string {
  const safe = device.test(name) ? `${bytesOf(name[0]!)}${name.slice(1)}` : name
  if (Buffer.byteLength(safe) <= nameBytesMax) return safe
  // The digest stands for what is left out; `~` is in no value's name.
  const digest = createHash('sha256').update(safe).digest('hex').slice(0, 32)
  const ending = /(?:\.[a-z]{1,8}){1,2}$/.exec(safe)?.[0] ?? ''
  let kept = safe.slice(0, nameBytesMax)
  while (Buffer.byteLength(kept) > nameBytesMax - 64) kept = kept.slice(0, -1)
  return `${kept.replace(/[\ud800-\udbff]$|%[0-9A-F]?$/, '')}~${digest}${ending}`
}
