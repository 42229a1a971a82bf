/**
 * Events a day, without a look at any of them: positions have no holes and times never step back, so what
 * was recorded in a day is the distance between two positions. What is no longer held is counted too.
 */
import type { HistoryReader } from '../../../history/index.ts'
import type { PositionRange } from '../event-selection.ts'

export interface Day {
  /** In UTC, such as 2026-11-21. */
  readonly day: string
  readonly events: number
}

const dayMs = 86_400_000

/** @param options.daysMax - The newest so many. */
export async function daysOf(
  reader: HistoryReader,
  { after, upTo, firstAt, lastAt, daysMax }: PositionRange & { firstAt: Date; lastAt: Date; daysMax: number },
): Promise<Day[]> {
  const { positionAt } = await import('../../../history/index.ts')
  const lastDay = dayOf(lastAt)
  const endOf = async (day: number) =>
    day === lastDay ? upTo : Math.max((await positionAt(reader, new Date((day + 1) * dayMs))) - 1, after)
  const days: Day[] = []
  let day = Math.max(dayOf(firstAt), lastDay - daysMax + 1)
  for (let end = await endOf(day - 1); day <= lastDay; day++) {
    const start = end
    end = await endOf(day)
    days.push({ day: new Date(day * dayMs).toISOString().slice(0, 10), events: end - start })
  }
  return days
}

function dayOf(date: Date): number {
  return Math.floor(date.getTime() / dayMs)
}
