/** The verdict of a chaos run, to read. */
import type { ChaosReport } from './run.ts'

export function verdictText(report: ChaosReport): string {
  const { seed, seconds, nodes, rabbitmq, postgres, broken, faults, events, confirmed, checks, ok, late } =
    report
  const kinds = new Map<string, number>()
  for (const { kind } of faults) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  const lines = [
    `seed ${seed}, ${seconds} s, ${nodes === 1 ? 'one node' : `${nodes} nodes`}, RabbitMQ ${rabbitmq}${postgres ? ', PostgreSQL' : ''}${broken === undefined ? '' : `, broken on purpose: ${broken}`}`,
    `${faults.length} faults: ${[...kinds].map(([kind, count]) => `${count} ${kind}`).join(', ')}`,
    `${events} events recorded, ${confirmed} known as confirmed; settled after ${(report.settledAfterMs / 1_000).toFixed(1)} s`,
    `late, after a purge: ${Object.entries(late)
      .map(([consumer, count]) => `${consumer} ${count}`)
      .join(', ')}`,
    ...Object.entries(checks).flatMap(([name, { ok, checked, findingCount, findings }]) => [
      `  ${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(16)} ${checked} checked${ok ? '' : `, ${findingCount} wrong`}`,
      ...findings.map((finding) => `         ${JSON.stringify(finding)}`),
    ]),
    ok ? 'All holds.' : 'Something does not hold.',
    ...(report.folder === undefined ? [] : [`Logs, ledgers and stores: ${report.folder}`]),
  ]
  return `${lines.join('\n')}\n`
}
