/** Tells the story: numbered steps and what happened in each, for someone who has never seen it. */
import { styleText } from 'node:util'

export class Narrator {
  readonly #stream: NodeJS.WriteStream
  readonly #colored: boolean
  #step = 0

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
    this.#colored = stream.isTTY === true && process.env.NO_COLOR === undefined
  }

  step(title: string): void {
    this.#step += 1
    this.#write(`\n${this.#style('bold', `${this.#step}. ${title}`)}`)
  }

  say(line: string): void {
    this.#write(`   ${line}`)
  }

  verdict(ok: boolean, line: string): void {
    this.#write(`\n${this.#style(ok ? 'green' : 'red', line)}`)
  }

  /** Columns as wide as their widest cell; numbers to the right. */
  table(rows: readonly (readonly (string | number)[])[]): void {
    const widths = rows[0]!.map((_cell, column) => Math.max(...rows.map((row) => String(row[column]).length)))
    for (const [index, row] of rows.entries()) {
      const cells = row.map((cell, column) =>
        typeof cell === 'number' ? String(cell).padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      const line = cells.join('  ').trimEnd()
      this.say(index === 0 ? this.#style('dim', line) : line)
    }
  }

  #style(style: 'bold' | 'dim' | 'green' | 'red', text: string): string {
    return this.#colored ? styleText(style, text) : text
  }

  #write(line: string): void {
    this.#stream.write(`${line}\n`)
  }
}
