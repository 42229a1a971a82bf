/**
 * Wildcards: `*` stands for any characters, also none; `\*` and `\\` for themselves.
 *
 * Between wildcards stand plain texts. The first must begin the value and the last must end it; each of the
 * others is taken at its first place behind the one before, since a later place never helps. So there is no
 * backtracking, and no pattern that is slow.
 */

/** Thrown for a wildcard that is none; the caller adds where it stands. */
export class WildcardError extends Error {}

/**
 * The plain texts between the wildcards: one where there is no wildcard, two for `a*b`.
 *
 * @throws WildcardError for `**`, and for a backslash before anything but `*` and `\`.
 */
export function wildcardParts(pattern: string): readonly string[] {
  const parts: string[] = []
  let part = ''
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at]!
    if (character === '*') {
      if (pattern[at + 1] === '*') throw new WildcardError(`two wildcards in a row, at character ${at + 1}`)
      parts.push(part)
      part = ''
    } else if (character === '\\') {
      const escaped = pattern[at + 1]
      if (escaped !== '*' && escaped !== '\\') {
        throw new WildcardError(`a backslash must be followed by * or \\, at character ${at + 1}`)
      }
      part += escaped
      at += 1
    } else {
      part += character
    }
  }
  parts.push(part)
  return parts
}

/** @returns Whether a text is of the pattern that gave these parts. */
export function wildcardTest(parts: readonly string[]): (text: string) => boolean {
  const first = parts[0]!
  if (parts.length === 1) return (text) => text === first
  const last = parts.at(-1)!
  const between = parts.slice(1, -1)
  return (text) => {
    if (!text.startsWith(first)) return false
    let at = first.length
    for (let index = 0; index < between.length; index++) {
      const part = between[index]!
      const found = text.indexOf(part, at)
      if (found === -1) return false
      at = found + part.length
    }
    return text.length - last.length >= at && text.endsWith(last)
  }
}
