/**
 * Texts compared without regard to case, character by character: each character of the wanted text may
 * come as its lower or its upper form.
 *
 * Turning both texts to lower case would not do: the upper form of `ß` is `SS`, which is to match `ß`,
 * while `ss` is not.
 */

interface Forms {
  readonly lower: string
  readonly upper: string
}

/** @returns How far a text that begins at `from` with the wanted text reaches; -1 where it does not. */
type Reach = (text: string, from: number) => number

export function equalsIgnoringCase(wanted: string): (text: string) => boolean {
  const reach = reachOf(wanted)
  return (text) => reach(text, 0) === text.length
}

export function startsIgnoringCase(wanted: string): (text: string) => boolean {
  const reach = reachOf(wanted)
  return (text) => reach(text, 0) !== -1
}

export function endsIgnoringCase(wanted: string): (text: string) => boolean {
  const forms = formsOf(wanted)
  const lengths = forms.map(({ lower, upper }) => [lower.length, upper.length])
  const shortest = lengths.reduce((sum, pair) => sum + Math.min(...pair), 0)
  const longest = lengths.reduce((sum, pair) => sum + Math.max(...pair), 0)
  const reach = reachOf(wanted)
  return (text) => {
    for (let length = shortest; length <= longest && length <= text.length; length++) {
      if (reach(text, text.length - length) === text.length) return true
    }
    return false
  }
}

function reachOf(wanted: string): Reach {
  const forms = formsOf(wanted)
  // The two forms of a character never begin alike unless they are the same, so that the first that fits is it.
  return (text, from) => {
    let at = from
    for (let index = 0; index < forms.length; index++) {
      const { lower, upper } = forms[index]!
      if (text.startsWith(lower, at)) at += lower.length
      else if (text.startsWith(upper, at)) at += upper.length
      else return -1
    }
    return at
  }
}

/** By UTF-16 unit, as Java does: a character beyond the first 65,536 is compared as it is. */
function formsOf(wanted: string): readonly Forms[] {
  return wanted.split('').map((unit) => ({ lower: unit.toLowerCase(), upper: unit.toUpperCase() }))
}
