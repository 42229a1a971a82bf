/**
 * The logger for programs: JSON lines on standard error, written by pino.
 *
 * A line has `time`, `level`, `event`, and the fields of docs/logging.md. Neither process id nor host: what
 * runs the process knows them. It is imported when it is asked for, so that nothing else pays for pino.
 */
import { pino } from 'pino'
import type { Logger } from '../../events/index.ts'
import type { Screen } from './screen.ts'

export function jsonLogger({ screen, verbose = false }: { screen: Screen; verbose?: boolean }): Logger {
  const lines = pino(
    {
      level: verbose ? 'debug' : 'info',
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
    },
    // The screen keeps a line apart from the progress bar under it.
    { write: (line) => screen.line(line.trimEnd()) },
  )
  return {
    debug: (event, fields) => lines.debug({ event, ...fields }),
    info: (event, fields) => lines.info({ event, ...fields }),
    warn: (event, fields) => lines.warn({ event, ...fields }),
    error: (event, fields) => lines.error({ event, ...fields }),
  }
}
