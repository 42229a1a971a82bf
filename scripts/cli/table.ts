/** A table for people: columns as wide as their widest cell, numbers to the right. */
import { count } from './progress.ts'
import { visibleLine } from './screen.ts'

export type Cell = string | number | boolean | undefined

/** A table whose rows come page by page: the first page sets the widths. */
export class Table {
  readonly #titles: readonly string[]
  #widths: number[] | undefined

  constructor(titles: readonly string[]) {
    this.#titles = titles
  }

  /** @returns Lines; the titles stand above those of the first page. */
  page(rows: readonly (readonly Cell[])[]): string[] {
    const isFirst = this.#widths === undefined
    const texts = rows.map((row) => row.map(textOf))
    this.#widths ??= this.#titles.map((title, column) =>
      Math.max(title.length, ...texts.map((row) => row[column]!.length)),
    )
    const widths = this.#widths
    const isRight = (row: number, column: number) => typeof rows[row]?.[column] === 'number'
    const lines = texts.map((row, index) =>
      row
        .map((text, column) =>
          isRight(index, column) ? text.padStart(widths[column]!) : text.padEnd(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    if (!isFirst) return lines
    const titles = this.#titles.map((title, column) =>
      isRight(0, column) ? title.padStart(widths[column]!) : title.padEnd(widths[column]!),
    )
    return [titles.join('  ').trimEnd(), ...lines]
  }
}

/** Names and values, one a line. */
export function listOf(values: Readonly<Record<string, Cell>>): string[] {
  const width = Math.max(...Object.keys(values).map((name) => name.length))
  return Object.entries(values).map(([name, value]) => `${name.padEnd(width)}  ${textOf(value)}`.trimEnd())
}

function textOf(cell: Cell): string {
  if (cell === undefined) return '-'
  if (typeof cell === 'number') return count(cell)
  if (typeof cell === 'boolean') return cell ? 'yes' : 'no'
  return visibleLine(cell)
}
