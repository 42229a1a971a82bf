/** Statistics for people: a list of figures, then charts. */
import { count } from '../progress.ts'
import { listOf } from '../table.ts'
import { type Bar, barChart, type Canvas } from './bar-chart.ts'
import type { Statistics } from './collect.ts'

const shownMax = 20

export function statisticsText(statistics: Statistics, canvas: Canvas): string[] {
  const { events, types, sources, days, others } = statistics
  return [
    ...listOf(figuresOf(statistics)),
    ...section(
      'types',
      types?.map(({ type, events: value }) => ({ label: type, value })),
      {
        events,
        others: others.types,
        canvas,
      },
    ),
    ...section(
      'sources',
      sources?.map(({ source, events: value }) => ({ label: source, value })),
      {
        events,
        others: others.sources,
        canvas,
      },
    ),
    ...(days.length === 0
      ? []
      : [
          '',
          'recorded a day (UTC)',
          ...barChart(
            days.map(({ day, events: value }) => ({ label: day, value })),
            canvas,
          ),
        ]),
  ]
}

function figuresOf(statistics: Statistics): Record<string, string | number | undefined> {
  const { exchange, events, first, last, firstAt, lastAt, recent, subjects, sizes } = statistics
  return {
    exchange,
    events,
    positions: last < first ? undefined : `${count(first)} to ${count(last)}`,
    'first recorded': firstAt?.toISOString(),
    'last recorded': lastAt?.toISOString(),
    'mean rate': firstAt && lastAt ? meanRate(last - first, lastAt.getTime() - firstAt.getTime()) : undefined,
    ...(recent && {
      'last minute': `${count(recent.minute)} (${rate(recent.minute, 60)})`,
      'last hour': `${count(recent.hour)} (${rate(recent.hour, 3_600)})`,
      'last day': `${count(recent.day)} (${rate(recent.day, 86_400)})`,
    }),
    subjects: subjects && `${subjects.isExact ? '' : 'more than '}${count(subjects.count)}`,
    ...(sizes && {
      'body bytes': sizes.total,
      'of an event': `${count(sizes.min)} to ${count(sizes.max)}, mean ${count(sizes.mean)}, median about ${count(sizes.median)}, 99 % up to about ${count(sizes.p99)}`,
    }),
  }
}

function meanRate(events: number, elapsedMs: number): string | undefined {
  return elapsedMs <= 0 ? undefined : rate(events, elapsedMs / 1_000)
}

function rate(events: number, seconds: number): string {
  const perSecond = events / seconds
  const digits = perSecond === 0 || perSecond >= 100 ? 0 : perSecond >= 1 ? 1 : 3
  return `${perSecond.toLocaleString('en-US', { maximumFractionDigits: digits })}/s`
}

function section(
  title: string,
  bars: readonly Bar[] | undefined,
  { events, others, canvas }: { events: number; others: number; canvas: Canvas },
): string[] {
  if (bars === undefined || bars.length === 0) return []
  const shown = bars.slice(0, shownMax).map(({ label, value }) => ({
    label: label === '' ? '(none)' : label,
    value,
    note: `${((value / Math.max(events, 1)) * 100).toFixed(1)} %`,
  }))
  const rest = bars.length - shown.length
  return [
    '',
    title,
    ...barChart(shown, canvas),
    ...(rest > 0 || others > 0 ? [`  and ${others > 0 ? 'more than ' : ''}${count(rest)} more`] : []),
  ]
}
