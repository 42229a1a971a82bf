/** What a feed tells of itself: its status, and the same for Prometheus. */
import type { ServedHistories } from './served-histories.ts'

export interface FeedStatus {
  readonly connections: number
  /** Answers that are being streamed, and fences that are waited for. */
  readonly streams: number
  /** Answers by their HTTP status. */
  readonly answers: Readonly<Record<number, number>>
  /** Events sent. */
  readonly events: number
  /** Readers that were cut since they took nothing. */
  readonly stalled: number
}

export class FeedCounts {
  readonly answers: Record<number, number> = {}
  events = 0
  streams = 0
  stalled = 0

  answered(status: number): void {
    this.answers[status] = (this.answers[status] ?? 0) + 1
  }
}

/** The metrics of a feed, in Prometheus' text form. */
export async function metricsText(status: FeedStatus, histories: ServedHistories): Promise<string> {
  const listed = await histories.list()
  const answers = Object.entries(status.answers)
  return [
    ...metric('connections', 'gauge', 'Open connections', [['', status.connections]]),
    ...metric('streams', 'gauge', 'Answers being streamed, and fences waited for', [['', status.streams]]),
    ...metric(
      'answers_total',
      'counter',
      'Answers by HTTP status',
      answers.map(([code, count]) => [`{status="${code}"}`, count]),
    ),
    ...metric('events_total', 'counter', 'Events sent', [['', status.events]]),
    ...metric('stalled_readers_total', 'counter', 'Readers cut, as they took nothing', [
      ['', status.stalled],
    ]),
    ...metric(
      'head_position',
      'gauge',
      'Highest position of a history',
      listed.map(({ exchange, head }) => [`{exchange="${labelText(exchange)}"}`, head]),
    ),
  ].join('')
}

type Sample = readonly [labels: string, value: number]

function metric(name: string, kind: string, help: string, samples: readonly Sample[]): string[] {
  const full = `backstory_feed_${name}`
  const lines = samples.map(([labels, value]) => `${full}${labels} ${value}\n`)
  return [`# HELP ${full} ${help}\n`, `# TYPE ${full} ${kind}\n`, ...lines]
}

function labelText(label: string): string {
  return label.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
