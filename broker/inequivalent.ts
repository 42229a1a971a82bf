/**
 * What RabbitMQ says when something is declared that is there already with other properties.
 *
 * AMQP has no question for them: the refusal is all that tells, and only in its text, the same from 3.10 to
 * 4.x: `inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received none but current is the value
 * '20' of type 'long'`. Where the text is another one, nothing is known, and nothing may be taken for granted.
 */
export interface Inequivalent {
  /** A property such as `type`, or an argument such as `x-max-length`. */
  readonly property: string
  /** Undefined where it is not set. */
  readonly found: string | undefined
}

/** The first property that differs, by the text of a 406; undefined for any other text. */
export function inequivalentIn(message: string): Inequivalent | undefined {
  const [, property, current, value = ''] = pattern.exec(message) ?? []
  if (property === undefined) return undefined
  return { property, found: current === 'none' ? undefined : value }
}

const pattern = /inequivalent arg '([^']+)' for .* but current is (none|.*?'(.*?)'(?: of type '\w+')?)"?$/
