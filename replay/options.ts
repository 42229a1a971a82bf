/** Reads the options of a plugin: each is taken out by its name and checked, and what is left over is refused. */
import { shownAddress } from './shown-address.ts'
import type { PluginTarget } from './source.ts'

export class PluginOptions {
  readonly #address: string
  readonly #left: Map<string, unknown>
  readonly #known: string[] = []

  constructor({ address, options }: Pick<PluginTarget, 'address' | 'options'>) {
    this.#address = address
    this.#left = new Map(Object.entries(options).filter(([, value]) => value !== undefined))
  }

  /** @throws TypeError where it is no text, or empty. */
  text(name: string): string | undefined {
    return this.#take(name, 'a text', (value) =>
      typeof value === 'string' && value !== '' ? value : undefined,
    )
  }

  /** @throws TypeError where it is absent, too. */
  requiredText(name: string): string {
    return this.text(name) ?? this.#refuse(`needs the option \`${name}\`${this.#given()}`)
  }

  /** A text or several. @throws TypeError for anything else. */
  texts(name: string): readonly string[] | undefined {
    return this.#take(name, 'a text or a list of texts', (value) => {
      const list = Array.isArray(value) ? value : [value]
      return list.every((one) => typeof one === 'string') ? (list as string[]) : undefined
    })
  }

  /** Also given as text. @throws TypeError where it is no whole number of that range. */
  whole(
    name: string,
    { min, max = Number.MAX_SAFE_INTEGER }: { min: number; max?: number },
  ): number | undefined {
    const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `${min} to ${max}`
    return this.#take(name, `a whole number, ${range}`, (value) => {
      const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
      return Number.isSafeInteger(number) && (number as number) >= min && (number as number) <= max
        ? (number as number)
        : undefined
    })
  }

  /** Also given as text. @throws TypeError where it is neither true nor false. */
  flag(name: string): boolean | undefined {
    return this.#take(name, 'true or false', (value) => {
      if (value === true || value === 'true') return true
      return value === false || value === 'false' ? false : undefined
    })
  }

  /** @throws TypeError where it is none of them. */
  choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    return this.#take(name, choices.join(' or '), (value) => choices.find((choice) => choice === value))
  }

  /** An object, whose values are the plugin's to check. @throws TypeError for anything else. */
  object(name: string): Readonly<Record<string, unknown>> | undefined {
    return this.#take(name, 'an object', (value) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? (value as Readonly<Record<string, unknown>>)
        : undefined,
    )
  }

  /** Any JSON. */
  any(name: string): unknown {
    return this.#take(name, 'a value', (value) => value)
  }

  /** @throws TypeError where an option was given that nothing has asked for. */
  end(): void {
    const [surplus] = this.#left.keys()
    if (surplus === undefined) return
    this.#refuse(`has no option \`${surplus}\`, only ${this.#known.join(', ') || 'none'}`)
  }

  /** What is left: a misspelt one is among them. */
  #given(): string {
    const names = [...this.#left.keys()].map((name) => `\`${name}\``)
    return names.length === 0 ? '' : `; it was given ${names.join(', ')}`
  }

  #take<Value>(name: string, what: string, read: (value: unknown) => Value | undefined): Value | undefined {
    this.#known.push(name)
    if (!this.#left.has(name)) return undefined
    const value = this.#left.get(name)
    this.#left.delete(name)
    return read(value) ?? this.#refuse(`wants \`${name}\` to be ${what}`)
  }

  #refuse(why: string): never {
    throw new TypeError(`${shownAddress(this.#address)} ${why}`)
  }
}
