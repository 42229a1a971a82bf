/** A text with places in it: `{$.data.country}-{$.data.number}`. */
import { parsePath, textAt, valuesAt } from '../../events/index.ts'
import type { ReplayEvent } from '../replay-event.ts'
import type { Raw } from './mapped-value.ts'

/**
 * Reads a template. `{` stands for itself where no `$` follows. What a place leads to stands there as text; a
 * template of which a place leads nowhere, or to null, has no value.
 *
 * @throws TypeError that names the place of the mistake.
 */
export function parseTemplate(template: string): (event: ReplayEvent) => Raw | undefined {
  const parts: ((event: ReplayEvent) => string | undefined)[] = []
  let at = 0
  for (let open = template.indexOf('{$'); open !== -1; open = template.indexOf('{$', at)) {
    const before = template.slice(at, open)
    const { path, end } = parsePath(template.slice(open + 1))
    const close = open + 1 + end
    if (template[close] !== '}')
      throw new TypeError(`in ${template} at character ${close + 1}: expected } behind the path`)
    parts.push(
      () => before,
      (event) => {
        const [value, ...more] = valuesAt(path, event.json)
        if (value === undefined || value === null) return undefined
        if (more.length > 0) return [value, ...more].map((one) => textOf(one)).join(',')
        return textOf(value, () => textAt(path, event.jsonText ?? event.text))
      },
    )
    at = close + 1
  }
  const rest = template.slice(at)
  return (event) => {
    const texts = parts.map((part) => part(event))
    if (texts.includes(undefined)) return undefined
    const value = texts.join('') + rest
    return { value, text: () => JSON.stringify(value) }
  }
}

function textOf(value: unknown, written: () => string | undefined = () => undefined): string {
  if (typeof value === 'string') return value
  return written() ?? JSON.stringify(value)
}
