/**
 * The query of a request, read strictly: a name that is unknown or comes twice is refused, since `aftr=5`
 * that is passed over would begin at the beginning.
 */
import { compilePattern, EventError, type Pattern } from '../../events/index.ts'
import { choicesMax, patternLengthMax } from './limits.ts'
import { Problem } from './problem.ts'

/** Reads the values that a name was given; none where it was not. */
export type Parameter<Value> = (name: string, values: readonly string[]) => Value

export type Parameters = Readonly<Record<string, Parameter<unknown>>>

export type Query<P extends Parameters> = { readonly [Name in keyof P]: ReturnType<P[Name]> }

/** @throws Problem `FEED_REQUEST_MALFORMED`, `FEED_PARAMETER_INVALID`. */
export function readQuery<const P extends Parameters>(text: string, parameters: P): Query<P> {
  // URLSearchParams would take a broken escape for text.
  decode(text.replaceAll('+', ' '))
  const given = new URLSearchParams(text)
  for (const name of given.keys()) {
    if (Object.hasOwn(parameters, name)) continue
    const known = Object.keys(parameters)
    const there = known.length === 0 ? 'there is none here' : `there are ${known.join(', ')}`
    throw invalid(`Unknown parameter ${shown(name)}: ${there}`)
  }
  const read = Object.entries(parameters).map(([name, parameter]) => [
    name,
    parameter(name, given.getAll(name)),
  ])
  return Object.fromEntries(read) as Query<P>
}

/** A part of a path or query. @throws Problem `FEED_REQUEST_MALFORMED`. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Problem('FEED_REQUEST_MALFORMED', 'The address has a % that begins no UTF-8 escape')
  }
}

/** A whole number, written in digits. */
export function whole({ min = 0, max = Number.MAX_SAFE_INTEGER } = {}): Parameter<number | undefined> {
  return (name, values) => {
    const text = one(name, values)
    if (text === undefined) return undefined
    const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (number >= min && number <= max) return number
    throw invalid(`${name} must be a whole number from ${min} to ${max}, not ${shown(text)}`)
  }
}

export const flag: Parameter<boolean> = (name, values) => {
  const text = one(name, values)
  if (text === undefined || text === 'false') return false
  if (text === 'true') return true
  throw invalid(`${name} must be true or false, not ${shown(text)}`)
}

/** One of the choices; the first where none is given. */
export function oneOf<const Choice extends string>(
  choices: readonly [Choice, ...Choice[]],
): Parameter<Choice> {
  return (name, values) => {
    const text = one(name, values) ?? choices[0]
    const choice = choices.find((known) => known === text)
    if (choice !== undefined) return choice
    throw invalid(`${name} must be ${choices.join(' or ')}, not ${shown(text)}`)
  }
}

/** May be given several times; undefined where it is not. */
export const texts: Parameter<readonly string[] | undefined> = (name, values) => {
  if (values.length > choicesMax) throw invalid(`${name} was given more than ${choicesMax} times`)
  return values.length === 0 ? undefined : values
}

/** An event pattern, as JSON. */
export const pattern: Parameter<Pattern | undefined> = (name, values) => {
  const text = one(name, values)
  if (text === undefined) return undefined
  if (text.length > patternLengthMax) throw invalid(`${name} is longer than ${patternLengthMax} characters`)
  try {
    return compilePattern(text)
  } catch (error) {
    if (error instanceof EventError) throw invalid(`${name}: ${error.message}`)
    throw error
  }
}

export const requiredText: Parameter<string> = (name, values) => {
  const text = one(name, values)
  if (text === undefined) throw invalid(`${name} is missing`)
  return text
}

function one(name: string, values: readonly string[]): string | undefined {
  if (values.length > 1) throw invalid(`${name} was given ${values.length} times`)
  return values[0]
}

function invalid(detail: string): Problem {
  return new Problem('FEED_PARAMETER_INVALID', detail)
}

function shown(text: string): string {
  return JSON.stringify(text.length > 50 ? `${text.slice(0, 50)}…` : text)
}
