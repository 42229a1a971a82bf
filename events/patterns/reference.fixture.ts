/**
 * What a pattern matches, told as plainly as it can be: every choice of values is tried.
 *
 * An event becomes a list of values, each with its path and the elements of arrays in which it stands. An
 * alternative matches where a value can be chosen for each of its paths so that no two choices stand in
 * different elements of one array. Takes valid patterns only; shares no line with what it judges.
 */

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }
type JsonObject = { readonly [name: string]: Json }

interface Place {
  readonly path: string
  readonly value: Json
  /** By array, the element. */
  readonly elements: ReadonlyMap<number, number>
}

export function referenceMatches(pattern: unknown, event: unknown): boolean {
  if (!isObject(event as Json)) return false
  const places = placesOf(event as Json)
  return alternativesOf(pattern as JsonObject).some((fields) => {
    const sorted = [...fields].sort(([a], [b]) => (dotted(a) < dotted(b) ? -1 : 1))
    return canChoose(sorted, places, new Map())
  })
}

function canChoose(
  [field, ...others]: readonly (readonly [path: string, tests: readonly Json[]])[],
  places: readonly Place[],
  chosen: ReadonlyMap<number, number>,
): boolean {
  if (field === undefined) return true
  const [path, tests] = field
  const possible = places.filter(
    (place) =>
      place.path === path &&
      [...place.elements].every(([array, element]) => (chosen.get(array) ?? element) === element),
  )
  if (possible.length === 0) {
    return tests.some((test) => isObject(test) && test.exists === false) && canChoose(others, places, chosen)
  }
  return possible.some(
    ({ value, elements }) =>
      tests.some((test) => accepts(test, value)) &&
      canChoose(others, places, new Map([...chosen, ...elements])),
  )
}

function placesOf(event: Json): readonly Place[] {
  const places: Place[] = []
  let arrays = 0
  const visit = (value: Json, names: readonly string[], elements: ReadonlyMap<number, number>): void => {
    if (Array.isArray(value)) {
      const array = arrays++
      value.forEach((element: Json, index) => {
        // A bare value stands in no element: it goes with each of them.
        const isBare = element === null || typeof element !== 'object'
        visit(element, names, isBare ? elements : new Map([...elements, [array, index]]))
      })
    } else if (isObject(value)) {
      for (const [name, below] of Object.entries(value)) visit(below, [...names, name], elements)
    } else places.push({ path: JSON.stringify(names), value, elements })
  }
  visit(event, [], new Map())
  return places
}

function alternativesOf(pattern: JsonObject): readonly ReadonlyMap<string, readonly Json[]>[] {
  const read = (
    object: JsonObject,
    names: readonly string[],
    before: readonly ReadonlyMap<string, readonly Json[]>[],
  ): readonly ReadonlyMap<string, readonly Json[]>[] =>
    Object.entries(object).reduce((fields, [name, value]) => {
      if (name === '$or') return (value as readonly JsonObject[]).flatMap((one) => read(one, names, fields))
      if (isObject(value)) return read(value, [...names, name], fields)
      return fields.map(
        (one) => new Map([...one, [JSON.stringify([...names, name]), value as readonly Json[]]]),
      )
    }, before)
  return read(pattern, [], [new Map()])
}

function accepts(test: Json, value: Json): boolean {
  if (!isObject(test)) return test === value
  const [[operator, operand]] = Object.entries(test) as [[string, Json]]
  if (operator === 'exists') return operand === true
  if (operator === 'numeric') return typeof value === 'number' && inBounds(value, operand as readonly Json[])
  if (operator === 'cidr') return typeof value === 'string' && inBlock(value, operand as string)
  if (operator !== 'anything-but') return typeof value === 'string' && ofForm(operator, operand, value)
  if (!isObject(operand)) return ![operand].flat().includes(value)
  const [[form, texts]] = Object.entries(operand) as [[string, Json]]
  return typeof value !== 'string' || ![texts].flat().some((text) => ofForm(form, text as Json, value))
}

function ofForm(form: string, operand: Json, value: string): boolean {
  if (isObject(operand)) return formOf(form, operand['equals-ignore-case'] as string, 'ui').test(value)
  const flags = form === 'equals-ignore-case' ? 'ui' : 'u'
  return formOf(form, operand as string, flags).test(value)
}

function formOf(form: string, text: string, flags: string): RegExp {
  if (form === 'wildcard') {
    const parts = text.match(/\\.|[^\\]/gsu) ?? []
    const source = parts.map((part) => (part === '*' ? '.*' : escaped(part.at(-1)!))).join('')
    return new RegExp(`^${source}$`, `${flags}s`)
  }
  return new RegExp(`${form === 'suffix' ? '' : '^'}${escaped(text)}${form === 'prefix' ? '' : '$'}`, flags)
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}

function inBounds(value: number, bounds: readonly Json[]): boolean {
  if (bounds.length === 0) return true
  const [operator, bound, ...more] = bounds as [string, number, ...Json[]]
  const holds = {
    '=': value === bound,
    '<': value < bound,
    '<=': value <= bound,
    '>': value > bound,
    '>=': value >= bound,
  }[operator]
  return holds === true && inBounds(value, more)
}

/** Version 4 only. */
function inBlock(value: string, block: string): boolean {
  const [base, bits] = block.split('/')
  const numberOf = (text: string) => text.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
  if (!/^\d+\.\d+\.\d+\.\d+$/.test(value)) return false
  const size = 2 ** (32 - Number(bits))
  return Math.floor(numberOf(value) / size) === Math.floor(numberOf(base!) / size)
}

function dotted(path: string): string {
  return (JSON.parse(path) as string[]).join('.')
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
