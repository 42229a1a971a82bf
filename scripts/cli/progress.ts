/**
 * Progress of long work: a bar on a terminal, else a line every ten seconds.
 *
 * It asks how far the work is, so that the work need not tell.
 */
import type { Logger } from '../../events/index.ts'
import type { Screen } from './screen.ts'

export interface Reading {
  readonly done: number
  /** Undefined where it is not known, or there is no end. */
  readonly total?: number
  /** The total is worked out from what was done. */
  readonly isEstimate?: boolean
  /** Said behind the figures, such as what is waited for. */
  readonly note?: string
}

export interface ProgressOptions {
  readonly screen: Screen
  /** Where given, the ten-second lines are its `progress` events. */
  readonly logger?: Logger
  /** What is counted, such as `events`. */
  readonly unit: string
  read(): Reading
}

const drawMs = 100
const lineMs = 10_000

/** @returns What ends it and takes the bar away. */
export function showProgress({ screen, logger, unit, read }: ProgressOptions): () => void {
  const meter = new Meter(Date.now())
  const show = () => {
    const reading = read()
    const pace = meter.pace(reading.done, Date.now())
    if (logger !== undefined) logger.info('progress', { ...reading, ...pace, unit })
    else if (screen.isTerminal) screen.status(barOf(reading, pace, unit))
    else screen.line(textOf(reading, pace, unit))
  }
  const timer = setInterval(show, logger === undefined && screen.isTerminal ? drawMs : lineMs)
  // Work that has ended must not wait for its next line.
  timer.unref()
  return () => {
    clearInterval(timer)
    screen.status('')
  }
}

/** The rate over the last seconds: what counts for the time left is how fast it goes now. */
export class Meter {
  #samples: { at: number; done: number }[]
  #first: number | undefined

  constructor(now: number) {
    this.#samples = [{ at: now, done: 0 }]
  }

  pace(done: number, now: number): { perSecond: number } {
    // Work that goes on from where it stopped has not just done all that.
    if (this.#first === undefined) {
      this.#first = done
      this.#samples = [{ at: now, done }]
    }
    this.#samples.push({ at: now, done })
    while (this.#samples.length > 2 && now - this.#samples[1]!.at > rateMs) this.#samples.shift()
    const [oldest] = this.#samples
    const elapsedMs = now - oldest!.at
    return { perSecond: elapsedMs <= 0 ? 0 : ((done - oldest!.done) / elapsedMs) * 1_000 }
  }
}

const rateMs = 5_000
const barWidth = 24

export function barOf(reading: Reading, pace: { perSecond: number }, unit: string): string {
  const { done, total } = reading
  if (total === undefined || total === 0) return textOf(reading, pace, unit)
  const filled = Math.min(Math.floor((done / total) * barWidth), barWidth)
  return `[${'#'.repeat(filled)}${'-'.repeat(barWidth - filled)}] ${textOf(reading, pace, unit)}`
}

/** `52 %  12,345 of 23,456 events  8,123/s  0:02 left`. */
export function textOf(
  { done, total, isEstimate = false, note }: Reading,
  { perSecond }: { perSecond: number },
  unit: string,
): string {
  const parts = []
  if (total === undefined) parts.push(`${count(done)} ${unit}`)
  else {
    // 100 % only where it is all done.
    if (total > 0) parts.push(`${Math.floor((Math.min(done, total) / total) * 100)} %`)
    parts.push(`${count(done)} of ${isEstimate ? 'about ' : ''}${count(total)} ${unit}`)
  }
  if (perSecond > 0) {
    parts.push(`${count(Math.round(perSecond))}/s`)
    if (total !== undefined && total > done) parts.push(`${clock((total - done) / perSecond)} left`)
  }
  if (note !== undefined) parts.push(note)
  return parts.join('  ')
}

/** `12,345`. */
export function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** `1:02:03`, or `2:03` under an hour. */
function clock(seconds: number): string {
  const whole = Math.ceil(seconds)
  const [hours, minutes] = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60]
  const rest = String(whole % 60).padStart(2, '0')
  return hours === 0 ? `${minutes}:${rest}` : `${hours}:${String(minutes).padStart(2, '0')}:${rest}`
}
