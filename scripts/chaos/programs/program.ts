/** What the programs of a chaos run have in common: their options, reports, log, and how they end. */
import type { Logger } from '../../../index.ts'
import { tryLater } from '../child.ts'

const reportMs = 100

/** Errors that say: not now. The supervisor starts the program again. */
const transientCodes = /^(HISTORY_UNAVAILABLE|CONSUMER_STORE_UNAVAILABLE|SQLITE_(FULL|IOERR|BUSY).*)$/

export function programOptions<Options>(): Options {
  return JSON.parse(process.argv[2]!) as Options
}

export function say(line: object): void {
  process.stderr.write(`${JSON.stringify(line)}\n`)
}

const write = (event: string, fields?: Record<string, unknown>) =>
  say({ at: new Date().toISOString(), event, ...fields })

export const logger: Logger = { debug: write, info: write, warn: write, error: write }

/**
 * Runs a program until it ends: reports how it is, stops at SIGTERM, and dies with whoever started it.
 *
 * @param part.status - Told again and again.
 * @param part.stop - Called at SIGTERM; `ended` must then settle.
 */
export async function runProgram(
  open: () => Promise<{ status(): object; stop(): Promise<void>; ended: Promise<void> }>,
): Promise<void> {
  // The other end of standard input is the chaos run's: it ends with it, kill -9 included.
  process.stdin.on('end', () => process.exit(1)).resume()
  process.stdin.unref?.()
  try {
    const part = await open()
    const report = () => void process.stdout.write(`${JSON.stringify(part.status())}\n`)
    const timer = setInterval(report, reportMs)
    process.once('SIGTERM', () => void part.stop())
    try {
      await part.ended
    } finally {
      clearInterval(timer)
      report()
    }
    process.exit(0)
  } catch (error) {
    const { code, message, stack } = error as Error & { code?: string }
    const isTransient = code !== undefined && transientCodes.test(code)
    write('ended', isTransient ? { code, message } : { code, message, stack })
    process.exit(isTransient ? tryLater : 1)
  }
}
