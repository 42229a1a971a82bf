/**
 * Figures as bars, a line each: in blocks of an eighth of a character on a terminal that has them, else in
 * plain ASCII.
 */
import { count } from '../progress.ts'
import { visibleLine } from '../screen.ts'

export interface Bar {
  readonly label: string
  readonly value: number
  /** Said between figure and bar, such as a share. */
  readonly note?: string
}

export interface Canvas {
  readonly columns: number
  /** ASCII only. */
  readonly isPlain: boolean
}

const labelMax = 40
const barMin = 10
const barMax = 60

export function barChart(bars: readonly Bar[], { columns, isPlain }: Canvas): string[] {
  const labels = bars.map(({ label }) => shorten(visibleLine(label), isPlain))
  const figures = bars.map(({ value }) => count(value))
  const notes = bars.map(({ note = '' }) => note)
  const [labelWidth, figureWidth, noteWidth] = [labels, figures, notes].map(widest) as [
    number,
    number,
    number,
  ]
  const room = columns - labelWidth - figureWidth - noteWidth - 8
  const width = Math.min(Math.max(room, barMin), barMax)
  const top = Math.max(...bars.map(({ value }) => value), 1)
  return bars.map(({ value }, index) =>
    [
      `  ${labels[index]!.padEnd(labelWidth)}`,
      figures[index]!.padStart(figureWidth),
      ...(noteWidth === 0 ? [] : [notes[index]!.padStart(noteWidth)]),
      bar((value / top) * width, isPlain),
    ]
      .join('  ')
      .trimEnd(),
  )
}

function widest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map(({ length }) => length))
}

function shorten(text: string, isPlain: boolean): string {
  return text.length <= labelMax ? text : `${text.slice(0, labelMax - 2)}${isPlain ? '..' : '…'}`
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** What there is any of has a bar that is seen. */
function bar(length: number, isPlain: boolean): string {
  if (length === 0) return ''
  if (isPlain) return '#'.repeat(Math.max(Math.round(length), 1))
  const parts = Math.max(Math.round(length * 8), 1)
  return '█'.repeat(Math.floor(parts / 8)) + eighths[parts % 8]!
}
