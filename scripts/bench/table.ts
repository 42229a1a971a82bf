/** The results as a table for people. */
import type { Machine } from './machine.ts'
import { bodyBytes } from './order-placed.ts'
import type { RowResult } from './row.ts'
import { type Figures, shown } from './statistics.ts'

export interface Report {
  readonly machine: Machine
  readonly bodyBytes: number
  readonly rounds: number
  /** A quick run shows that the bench works, not how fast anything is. */
  readonly quick: boolean
  readonly rows: readonly RowResult[]
}

const heads = ['path', 'ours', 'peer', 'ratio', 'by pairs', 'target', '']

export function tableOf({ machine, rounds, quick, rows }: Report): string {
  const { cpu, cores, memoryGiB, system, node, rabbitmq, sqlite } = machine
  const lines = [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}; Node ${node}, RabbitMQ ${rabbitmq}, SQLite ${sqlite}`,
    `${bodyBytes}-byte bodies; median (min to max) of ${rounds} alternating rounds`,
    ...(quick ? ['A quick run: it shows that the bench works, not how fast anything is.'] : []),
    '',
    ...aligned([heads, ...rows.flatMap(cellsOf)]),
  ]
  return `${lines.join('\n')}\n`
}

function cellsOf({ path, unit, ours, peers }: RowResult): string[][] {
  const lines: string[][] = []
  for (const [index, peer] of peers.entries()) {
    const own = index === 0 ? [`${path}, ${unit}`, figuresText(ours.figures)] : ['', '']
    const target = peer.target?.toFixed(2) ?? '-'
    if ('notRun' in peer) {
      lines.push([...own, peer.label, '-', '-', target, `not run: ${peer.notRun}`])
      continue
    }
    const met = peer.met === undefined ? '' : peer.met ? 'met' : 'missed'
    const { ofMedians, medianOfPairs } = peer.ratio
    lines.push([
      ...own,
      figuresText(peer.figures),
      ofMedians.toFixed(2),
      medianOfPairs.toFixed(2),
      target,
      met,
    ])
    lines.push(['', '', peer.label, '', '', '', ''])
  }
  return lines
}

function figuresText({ median, min, max }: Figures): string {
  return `${shown(median)} (${shown(min)} to ${shown(max)})`
}

function aligned(lines: readonly (readonly string[])[]): string[] {
  const widths = heads.map((_, column) => Math.max(...lines.map((cells) => cells[column]!.length)))
  return lines.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
}
