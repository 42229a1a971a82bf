/** Lines of a report: figures as people write them, and columns as wide as their widest cell. */

export type Cell = string | number | undefined

/** Numbers to the right, under their titles; a column of which no row has anything is left out. */
export function columns(titles: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const shown = titles
    .map((_, column) => column)
    .filter((column) => rows.some((row) => row[column] !== undefined))
  const texts = rows.map((row) => row.map(textOf))
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...texts.map((row) => row[column]!.length)),
  )
  const isRight = titles.map((_, column) => rows.every((row) => typeof row[column] !== 'string'))
  const line = (cells: readonly string[]) =>
    shown
      .map((column) =>
        isRight[column] ? cells[column]!.padStart(widths[column]!) : cells[column]!.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd()
  return [line(titles), ...texts.map(line)]
}

/** Names and values, one a line; those without a value are left out. */
export function pairs(values: Readonly<Record<string, Cell>>): string[] {
  const given = Object.entries(values).filter(([, value]) => value !== undefined)
  const width = Math.max(...given.map(([name]) => name.length))
  return given.map(([name, value]) => `${name.padEnd(width)}  ${textOf(value)}`)
}

/** `12,345`. */
export function count(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 })
}

/** `1.2 GB`, by thousands. */
export function bytes(value: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB']
  let unit = 0
  let size = value
  // What rounds to 1,000 is one of the next unit.
  while (size >= 999.95 && unit < units.length - 1) {
    size /= 1_000
    unit += 1
  }
  return `${unit === 0 ? count(size) : size.toFixed(1)} ${units[unit]}`
}

/** `0.5 s`, `1:02:03`. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  const parts = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60, whole % 60]
  if (parts[0] === 0) parts.shift()
  return parts.map((part, at) => (at === 0 ? String(part) : String(part).padStart(2, '0'))).join(':')
}

/** On one line, without what could do anything to a terminal. */
export function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, escaped)
}

function escaped(character: string): string {
  const named = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character]
  return named ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function textOf(cell: Cell): string {
  if (cell === undefined) return ''
  return typeof cell === 'number' ? count(cell) : visible(cell)
}
