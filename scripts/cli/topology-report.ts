/** A topology's plan and lint for people. */
import type { NotJudged, TopologyItem, TopologyLint, TopologyPlan } from '../../broker/index.ts'
import type { Cli } from './cli.ts'
import { count } from './progress.ts'
import { type Cell, Table } from './table.ts'

/** A line for each thing that should be there, and one for each that is to be deleted. */
export function planTable({ items, toDelete }: TopologyPlan): string[] {
  const table = new Table(['state', 'what', 'name', 'messages', 'consumers', ''])
  return table.page([
    ...items.map((item) => [item.state, item.kind, item.name, item.messages, item.consumers, detailOf(item)]),
    ...toDelete.map(({ kind, name, messages, why }): Cell[] => [
      'to delete',
      kind,
      name,
      messages,
      undefined,
      why,
    ]),
  ])
}

export function findingLines({ findings }: TopologyLint): string[] {
  return findings.flatMap(({ code, message }) => [code, `  ${message}`])
}

/** A reason's first few: of many partitions there would be pages. */
const saidMax = 5

/** What nobody looked at. */
export function sayNotJudged(cli: Cli, notJudged: readonly NotJudged[]): void {
  for (const why of new Set(notJudged.map((one) => one.why))) {
    const same = notJudged.filter((one) => one.why === why)
    for (const { what } of same.slice(0, saidMax)) cli.say(`Not judged: ${what} (${why})`)
    if (same.length > saidMax)
      cli.say(`Not judged: ${count(same.length - saidMax)} more, which --json lists (${why})`)
  }
}

export function summaryOf({ items, toDelete }: TopologyPlan): string {
  const missing = items.filter(({ state }) => state === 'missing').length
  const differing = items.filter(({ state }) => state === 'differs').length
  return `${count(missing)} to declare, ${count(differing)} with other properties, ${count(toDelete.length)} to delete`
}

function detailOf({ kind, exchange, state, differences }: TopologyItem): string {
  if (state === 'missing') return kind === 'binding' ? `to be bound to ${exchange}` : 'to be declared'
  return differences
    .map(({ property, wanted, found }) => `${property}: ${shown(found)} is there, ${shown(wanted)} is wanted`)
    .join('; ')
}

function shown(value: string | number | boolean | undefined): string {
  return value === undefined ? 'none' : JSON.stringify(value)
}
