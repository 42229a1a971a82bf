/**
 * Standard error: lines for people, and under them, on a terminal, one line that is drawn again in place.
 */
import type { Io, OutputStream } from './io.ts'

export type Style = 'dim' | 'red' | 'yellow'

export class Screen {
  readonly isTerminal: boolean
  readonly #stream: OutputStream
  readonly #isColored: boolean
  #status = ''

  constructor({ stderr, env }: Pick<Io, 'stderr' | 'env'>) {
    this.#stream = stderr
    this.isTerminal = stderr.isTTY === true && env.TERM !== 'dumb'
    this.#isColored = wantsColor(stderr, env)
    // Nobody reads it any more: the command goes on.
    stderr.on('error', () => {})
  }

  /** Writes a line above the status line. */
  line(text: string): void {
    this.#stream.write(this.#status === '' ? `${text}\n` : `${clearLine}${text}\n${this.#status}`)
  }

  /** Draws the status line; an empty one takes it away. Does nothing where there is no terminal. */
  status(text: string): void {
    if (!this.isTerminal || text === this.#status) return
    // A line that wraps cannot be drawn again in place.
    const shown = text.slice(0, Math.max((this.#stream.columns || 80) - 1, 10))
    this.#stream.write(`${this.#status === '' ? '' : clearLine}${shown}`)
    this.#status = shown
  }

  paint(style: Style, text: string): string {
    return this.#isColored ? paint(style, text) : text
  }
}

const clearLine = '\r\x1b[2K'

/** Not by `util.styleText`, which has its own mind about NO_COLOR and looks at standard output. */
const codes: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  dim: [2, 22],
  red: [31, 39],
  yellow: [33, 39],
}

function paint(style: Style, text: string): string {
  const [on, off] = codes[style]
  return `\x1b[${on}m${text}\x1b[${off}m`
}

/** FORCE_COLOR goes before NO_COLOR, as in Node itself; without either a terminal decides. */
function wantsColor(stream: OutputStream, env: Io['env']): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: refused, TERM } = env
  if (forced !== undefined && forced !== '') return forced !== '0' && forced !== 'false'
  return (refused ?? '') === '' && stream.isTTY === true && TERM !== 'dumb'
}

/** Text for a terminal: control characters, which could do anything to it, are written as escapes. */
export function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, escaped)
}

/** As `visible`, in one line. */
export function visibleLine(text: string): string {
  return visible(text).replace(/[\t\n]/g, escaped)
}

function escaped(character: string): string {
  const named = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character]
  return named ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
}
